package verdict

import (
	"fmt"
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// A cohort runs dry early where many more of its windows do than are usual at such hours, by this much and of this many.
const (
	dryUsers = 20
	dryTimes = 1.5
	dryMore  = 0.02
)

// runningDry says how many of the scope's users will have used up their window before it ends, if that is unusual.
func runningDry(f *Figures) []Evidence {
	if f.Runs == nil || f.RunsBase == nil || f.Runs.Budgeted < dryUsers || f.RunsBase.Budgeted <= 0 {
		return nil
	}
	now, usual := f.Runs.Dry/f.Runs.Budgeted, f.RunsBase.Dry/f.RunsBase.Budgeted
	if now < dryTimes*usual || now < usual+dryMore {
		return nil
	}
	who := "everybody"
	if len(f.Where) > 0 {
		who = f.Where.String()
	}
	return []Evidence{figure("runs_dry_early", fmt.Sprintf("%s of %s will run dry before their window ends, usually %s", percent(min(now, 1)), who, percent(usual)), min(now, 1), usual)}
}

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
