package ledger

import (
	"fmt"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// modelled feeds one row an hour of a model that costs so many credits a thousand tokens of input, and eight times that for output.
func modelled(b *Booker, user, version, model string, credits, output, from, to int64) {
	for h := from; h < to; h++ {
		out := output + output*(h&1) // an hour more, an hour less
		full := event.Credits(credits*(1000+8*out)) * event.Credit / 1000
		e := &event.Event{User: user, Time: onset + h*cohort.Hour, Credits: full, Input: 1000, Output: out, HasTokens: true}
		e.Dims[event.Plan], e.Dims[event.ClientVersion], e.Dims[event.Model] = "pro", version, model
		r := cohort.Row{Event: e, Quote: price.Quote{Known: true, Expected: full, Full: full}}
		if h >= 0 {
			r.Flags = r.Flags.With(cohort.Over)
		}
		b.Add(r)
	}
}

// What those drew who are compared is known by model, weighed as they are: who has ten times the past is held against as much of it as anybody.
func TestComparedByModel(t *testing.T) {
	for _, c := range []struct {
		why  string
		user string
		feed func(*Booker)
		want map[string]float64
	}{
		{
			"a release that uses a dear model", "", func(b *Booker) {
				modelled(b, "u", "1", "mini", 1, 100, -48, 0)
				modelled(b, "v", "1", "mini", 1, 100, -24, 0)
				modelled(b, "u", "2", "opus", 10, 100, 0, 24)
				modelled(b, "v", "2", "mini", 1, 100, 0, 24)
				modelled(b, "new", "2", "gratis", 1, 100, 0, 24) // without a past
			}, map[string]float64{"plan": 1, "model": 5.5, "input_output": 1, "rest": 1},
		},
		{
			"a release whose answers are longer", "", func(b *Booker) {
				modelled(b, "u", "1", "mini", 1, 100, -48, 0)
				modelled(b, "u", "2", "mini", 1, 400, 0, 24)
			}, map[string]float64{"plan": 1, "model": 1, "input_output": (1000 + 8*600) / 1600.0 / ((1000 + 8*150) / 1150.0), "rest": 1},
		},
		{
			"one user, who turns to a dear model", "u", func(b *Booker) {
				modelled(b, "u", "1", "mini", 1, 100, -48, 0)
				modelled(b, "v", "1", "opus", 10, 100, -48, 24)
				modelled(b, "u", "1", "opus", 10, 100, 0, 24)
			}, map[string]float64{"plan": 1, "model": 10, "input_output": 1, "rest": 1},
		},
	} {
		claim := adoption(24)
		if claim.User = c.user; c.user != "" {
			claim.Where = nil
		}
		b := NewBooker([]Claim{claim})
		c.feed(b)
		r := b.Results()["inc_1"]
		_, factors, _, ok := verdict.Split(r.Now, r.Before)
		if !ok {
			t.Fatalf("%s: no ratio", c.why)
		}
		for _, f := range factors {
			if f.Name != "mix" {
				continue
			}
			parts := verdict.MixParts(f.Value, r.Now, r.Before, r.Blends, nil)
			if len(parts) != len(c.want) {
				t.Errorf("%s: %v", c.why, parts)
			}
			for _, p := range parts {
				if d := p.Value/c.want[p.Name] - 1; !(d < 1e-6 && d > -1e-6) {
					t.Errorf("%s: %s x%v (%s), want x%v", c.why, p.Name, p.Value, p.Text, c.want[p.Name])
				}
			}
		}
	}
}

// A model of its own in every row costs no more than some.
func TestSortsAreBounded(t *testing.T) {
	var s sorts
	for i := range 10_000 {
		e := &event.Event{}
		e.Dims[event.Model] = fmt.Sprint("m", i)
		if n := s.number(e); int(n) != min(i, mostSorts) || s.list[n].Model != e.Dims[event.Model] && s.list[n].Model != cohort.Other {
			t.Fatalf("row %d is of sort %d, %v", i, n, s.list[n])
		}
	}
	e := &event.Event{}
	if e.Dims[event.Model] = "m7"; s.number(e) != 7 {
		t.Errorf("an early one is of sort %d", s.number(e))
	}
}
