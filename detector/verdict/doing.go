package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// doing is what a fault by itself makes of factors, as its rows tell.
type doing map[string]float64

// explain holds factors against what the fault makes of them. Those that moved by more than is usual are its own doing where they moved no
// further than that, by what like periods differ by. The one that the verdict is about, own, moved by the fault where it stands where the fault
// leaves it, though it might have by chance. It returns the names of the former, and what there is to say of them.
func (d doing) explain(own, incident string, factors []Factor) (names []string, said string) {
	var parts []string
	for i := range factors {
		x := &factors[i]
		due, known := d[x.Name]
		toward := math.Log(due)
		if !known || !(toward*math.Log(x.Value) > 0) {
			continue
		}
		beyond := math.Copysign(1, toward) * math.Log(x.Value/due)
		switch {
		case x.Name == own:
			if x.Told = x.Usual() && math.Abs(beyond) <= 2*x.Spread; x.Told {
				parts = append(parts, own+" moved so, by what they differ by of themselves")
			}
		case x.rank() == unusual && beyond <= 2*x.Spread:
			x.Of = incident
			names = append(names, x.Name)
		}
	}
	if len(names) > 0 {
		parts = append(parts, strings.Join(names, ", ")+" by no more")
	}
	return names, strings.Join(parts, "; ")
}

// Beside is another incident of the same rows, and what its own rows moved by.
type Beside struct {
	Incident string
	Factors  []Factor
}

// explain holds what users and clients do against what moved by more than is usual where the other incident is. It may hit a part of the
// rows only, and then moves less in all of them.
func (b *Beside) explain(own string, factors []Factor) {
	d := doing{}
	for i := range b.Factors {
		if x := &b.Factors[i]; x.Name != own && slices.Contains(behaviour, x.Name) && (x.rank() == unusual || x.Of == b.Incident) {
			d[x.Name] = x.Value
		}
	}
	d.explain(own, b.Incident, factors)
}

// added holds factors against what requests that nobody asked for, beyond as many as there used to be, make of them: everything over
// everything without those. They are not like the others: small, or cached, or made to another model, so they move more than how many
// requests there are.
func added(f *Figures, factors []Factor) []Evidence {
	times := f.Now.Level(cohort.Background) / f.Base.Level(cohort.Background)
	if !(times > 1) || f.Unasked.Requests <= 0 {
		return nil
	}
	more := f.Unasked.Scale(1/times - 1)
	more.Users = 0 // hours in which something is asked for
	_, made, _, _ := Split(f.Now, f.Now.Plus(more))
	d := doing{}
	for _, x := range made {
		d[x.Name] = x.Value
	}
	names, said := d.explain(f.Cause.Factor, f.Incident, factors)
	if said == "" {
		return nil
	}
	var makes []string
	for _, name := range append([]string{f.Cause.Factor}, names...) {
		makes = append(makes, fmt.Sprintf("%s x%.3g", name, d[name]))
	}
	return []Evidence{line("added_work", fmt.Sprintf("what nobody asked for beyond as much as before makes by itself %s: %s", strings.Join(makes, ", "), said))}
}
