package incident

import (
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
	cohortWide := f.Scope.Kind == "cohort" && f.Users >= r.MinUsers
	var material event.Sum
	material.Add(r.Material)
	switch {
	case quiet || f.Cause.Class == verdict.Organic:
		return Info
	case f.Cause.Class == verdict.MeteringBug || f.Cause.Class == verdict.ClientBug:
		if cohortWide && (f.Verdict.HasRatio && f.multiplied() >= r.PageFactor || f.Overcharge.Cmp(material) > 0) {
			return Page
		}
		return Ticket
	case f.Cause.Class == verdict.Unknown && cohortWide && f.Verdict.Ratio >= unknownPage:
		return Page
	}
	return Ticket
}

// multiplied is by how much the cause multiplies what its users pay: the product of the factors that are the system's or the
// client's own, so that a busy hour does not page and a quiet one does not hide it.
func (f *Finding) multiplied() float64 {
	names := map[string]bool{"rows": true, "price": true, "surcharge": true, "tokens": true, "requests": true, "cache": true}
	m := 1.0
	if f.Cause.Class == verdict.MeteringBug {
		names = map[string]bool{"rows": true, "price": true, "surcharge": true}
		if f.Cause.Name == verdict.TokenCount.Name {
			names["tokens"] = true
		}
	}
	for _, x := range f.Verdict.Factors {
		if names[x.Name] {
			m *= x.Value
		}
	}
	return m
}
