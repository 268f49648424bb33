package ledger

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// others returns the claims that a row lies in whose fault it does not bear, while it does those of others.
func (b *Booker) others(it *cohort.Row) (out []*claim) {
	if !it.Flags.Has(cohort.Over) {
		return nil
	}
	x, d, y, ok := it.Point()
	if !ok {
		return nil
	}
	var in []*claim
	for i := range b.claims {
		c := &b.claims[i]
		if c.Fault != nil && it.Event.Time >= c.From && it.Event.Time <= c.To && c.Where.Matches(&it.Event.Dims) && len(in) < overlapping {
			in = append(in, c)
		}
	}
	if len(in) < 2 {
		return nil
	}
	best, nearest := 0, max(cohort.FaultTolerance, float64(it.Quote.Slack)/float64(it.Quote.Expected))
	for set := 1; set < 1<<len(in); set++ {
		f := cohort.None
		for i, c := range in {
			if set&(1<<i) != 0 {
				f = f.And(*c.Fault)
			}
		}
		if off := math.Abs(f.Charge(x, d)/y - 1); off < nearest {
			best, nearest = set, off
		}
	}
	for i, c := range in {
		if best != 0 && best&(1<<i) == 0 {
			out = append(out, c)
		}
	}
	return out
}

// overlapping is how many claims a row can lie in while it is looked at which of their faults it bears.
const overlapping = 4
