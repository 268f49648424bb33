package incident

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Rules say what wakes somebody.
type Rules struct {
	PageFactor float64
	MinUsers   int
	Material   event.Credits
}

// unknownPage is the ratio from which something unexplained over a cohort wakes somebody.
const unknownPage = 5

// Severity returns the contract's default severity of a finding. quiet is true for what lay in the past when the program
// first started: it is recorded, and wakes nobody.
func (r Rules) Severity(f *Finding, quiet bool) Severity {
	several := f.Scope.Kind == "cohort" && f.Users > 1
	cohortWide := several && f.Users >= r.MinUsers
	var material event.Sum
	material.Add(r.Material)
	switch {
	case quiet || f.Cause.Class == verdict.Organic:
		return Info
	case f.Cause.Class == verdict.MeteringBug || f.Cause.Class == verdict.ClientBug:
		// A hair below the factor is the factor: both sides are measured.
		if cohortWide && f.multiplied() >= 0.99*r.needed(f) || several && f.Overcharge.Cmp(material) > 0 {
			return Page
		}
		return Ticket
	case f.Cause.Class == verdict.Unknown && cohortWide && f.Verdict.Ratio >= unknownPage && (f.Overcharge.IsZero() || f.multiplied() >= 0.99*unknownPage):
		return Page // a busy morning beside it, where that is told apart, makes it no worse
	}
	return Ticket
}

// needed is the multiple that pages. A fault that hits some rows only comes in bursts, so its first hour says little of what
// it multiplies: then twice the excess is asked for, and of failed requests, which an outage bundles, the hour itself.
func (r Rules) needed(f *Finding) float64 {
	if f.LastAt-f.StartedAt >= cohort.Hour {
		return r.PageFactor
	}
	switch f.Cause.Name {
	case verdict.FailuresCharged.Name:
		return math.Inf(1)
	case verdict.Penalty.Name:
		return 1 + 2*(r.PageFactor-1)
	}
	return r.PageFactor
}

// multiplied is by how much the cause multiplies what its users pay: charged over what should have been, so that a busy hour
// does not page and a quiet one does not hide it.
func (f *Finding) multiplied() float64 {
	if f.Charged <= 0 {
		return 1
	}
	return f.Charged / max(f.Charged-f.Overcharge.Float64(), f.Charged/1e6)
}
