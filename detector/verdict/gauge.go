package verdict

import (
	"fmt"
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// gauge says how the gauges of a scope are wrong, most frequent first, and that the charges beneath them are right.
func gauge(f *Figures, share float64) []Evidence {
	g := f.Inside.Gauge
	if g == nil {
		return nil
	}
	var out []Evidence
	moved := func() {
		if n := g.Fast + g.Slow; n > 0 && g.Due > 0 {
			x := float64(g.Shown) / float64(g.Due)
			out = append(out, figure("gauge_off_charges", fmt.Sprintf("the gauge moved %.2gx what the charges come to, at %s of the %d times it was checked", x, percent(share), f.Inside.Gauged), x, 1))
		}
	}
	kept := func() {
		if g.Kept > 0 {
			out = append(out, figure("gauge_not_reset", fmt.Sprintf("at %d rows the gauge had not started from zero though its window had ended or been reset", g.Kept), float64(g.Kept), 0))
		}
	}
	if g.Kept > g.Fast+g.Slow {
		kept()
		moved()
	} else {
		moved()
		kept()
	}
	off := f.Inside.Flagged(cohort.Over).Rows
	return append(out, figure("charges_right", fmt.Sprintf("%s of the rows are charged above their price: what is shown is wrong, not what is charged", percent(float64(off)/math.Max(float64(f.Inside.PricedRows), 1))), float64(off), 0))
}
