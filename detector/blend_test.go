package detector

import (
	"math"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// What a scope drew by plan and model adds up to what it drew, hour for hour as the baseline weighs them, and says what moved mix.
func TestBlendsAreWhatTheFactorsAreOf(t *testing.T) {
	for _, days := range []int64{3, 0} { // of history; without a day of it, all hours before are like any
		f := fleetOf(1000)
		onset := f.now - 90*60e9
		f.first = onset - max(days*24, 6)*cohort.Hour
		add := func(at int64, model, region string, rows int64, price float64) {
			c := &cohort.Cell{Rows: rows, Requests: rows, Turns: rows, Users: rows, Input: 900 * rows, Output: 100 * rows}
			c.List.Add(event.Credits(float64(rows) * price * 1e9))
			c.Full, c.Credits, c.Usage, c.Priced = c.List, c.List, c.List, c.List
			leaf := f.store.Canon(&cohort.Leaf{Values: [event.NumDims]string{event.Plan: "pro", event.Model: model, event.Region: region}})
			f.store.Add(f.store.Series(leaf, at), at, c)
		}
		for at := f.first - f.first%cohort.Hour; at < f.now; at += cohort.Hour {
			dear := int64(10)
			if at+cohort.Hour > onset {
				dear = 60
			}
			add(at+30*60e9, "mini", "eu", 100-dear, 1)
			add(at+30*60e9, "opus", "eu", dear, 10)
			add(at+30*60e9, "opus", "us", 50, 10) // out of scope
		}
		f.store.Head(f.now)
		l := &live{by: byFlag, flag: cohort.Over, where: cohort.NewWhere(cohort.Cond{Dim: event.Region, Value: "eu"}), onset: onset, lastHit: f.now - 1}
		f.resum(l)
		base, blends := f.baseline(l), f.blendsOf(l)
		for i, p := range []verdict.Period{base, l.hit} {
			var sum verdict.Drawn
			for _, x := range blends[i] {
				sum.Input, sum.Output, sum.List = sum.Input+x.Input, sum.Output+x.Output, sum.List+x.List
			}
			if math.Abs(sum.Input-p.Input)+math.Abs(sum.Output-p.Output)+math.Abs(sum.List-p.List) > 1e-6*p.Input || p.Input == 0 {
				t.Errorf("%d days: blend %d has %+v of %+v", days, i, sum, p)
			}
		}
		_, factors, missing, _ := verdict.Split(l.hit, base)
		for _, x := range factors {
			if x.Name != "mix" {
				continue
			}
			parts := verdict.MixParts(x.Value, l.hit, base, blends, missing)
			if len(parts) != 4 || math.Abs(parts[1].Value-640.0/190) > 1e-6 || parts[1].Text != "opus's share of tokens 10.0% -> 60.0%" {
				t.Errorf("%d days: mix x%v is %v", days, x.Value, parts)
			}
		}
	}
}
