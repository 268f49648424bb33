package detector

import (
	"cmp"
	"slices"
	"sync"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// CohortQuery asks a Rollup. Times are event times in Unix nanoseconds.
type CohortQuery struct {
	By       []event.Dim            // one cohort for each combination of their values
	Where    map[event.Dim][]string // each dimension has one of these values
	From, To int64                  // rounded outwards to five minutes
	Step     int64                  // a multiple of five minutes
	Most     int                    // cohorts that are answered one by one
	Fields   Fields                 // what is summed
	Rank     func(*Totals) float64  // which cohorts are answered one by one: those with most of it
}

// Fields are sums that a query asks for.
type Fields struct {
	Counts []Count
	Money  []Money
}

// CohortTotals is one cohort of an answer.
type CohortTotals struct {
	Values []string // of CohortQuery.By
	Total  Totals
	Steps  []Totals
}

// CohortAnswer is what a Rollup says.
type CohortAnswer struct {
	From, To   int64 // as they were rounded
	Cohorts    []CohortTotals
	Others     int    // cohorts beyond Most
	Rest       Totals // what those did
	Everything Totals // what all that fulfils Where did

	steps *[]Totals // of all cohorts
}

// stepsOf holds steps of answers that were given: megabytes each, which the garbage collector would otherwise look for all over
// the engine's memory after every few of them.
var stepsOf = sync.Pool{New: func() any { return new([]Totals) }}

// Release gives back what the cohorts' steps are kept in; they must not be used any more.
func (a *CohortAnswer) Release() {
	if a.steps != nil {
		stepsOf.Put(a.steps)
		a.steps, a.Cohorts = nil, nil
	}
}

// Steps returns how many steps an answer has.
func (q *CohortQuery) Steps() int {
	from, to := q.bounds()
	return int((to - from + q.Step - 1) / q.Step)
}

func (q *CohortQuery) bounds() (from, to int64) {
	return q.From - q.From%cohort.Five, q.To + (cohort.Five-q.To%cohort.Five)%cohort.Five
}

// Ask answers a query. Cost: one pass over the leaves and one over the columns asked for, of the rows of that time; two where
// there are more cohorts than are answered one by one. Release the answer when it was read.
func (r *Rollup) Ask(q *CohortQuery) CohortAnswer {
	a := CohortAnswer{}
	a.From, a.To = q.bounds()
	group, names := r.groups(q)
	slabs, n := r.between(a.From, a.To), q.Steps()
	bySteps := func(cohorts int) []Totals {
		a.steps = stepsOf.Get().(*[]Totals)
		*a.steps = slices.Grow((*a.steps)[:0], cohorts*n)[:cohorts*n]
		steps := *a.steps
		clear(steps)
		for _, s := range slabs {
			s.sum(&q.Fields, group, steps, n, int((s.at-a.From)/q.Step))
		}
		return steps
	}
	totals, all := make([]Totals, len(names)), []Totals(nil)
	if len(names) <= q.Most {
		all = bySteps(len(names))
		for i := range all {
			totals[i/n].add(&all[i])
		}
	} else {
		for _, s := range slabs {
			s.sum(&q.Fields, group, totals, 1, 0)
		}
	}
	rank := make([]int, 0, len(names))
	for g := range names {
		a.Everything.add(&totals[g])
		if totals[g] != (Totals{}) { // it has rows in this time
			rank = append(rank, g)
		}
	}
	slices.SortFunc(rank, func(x, y int) int {
		if c := cmp.Compare(q.Rank(&totals[y]), q.Rank(&totals[x])); c != 0 {
			return c
		}
		return slices.Compare(names[x], names[y])
	})
	shown := min(q.Most, len(rank))
	a.Others = len(rank) - shown
	place := make([]int32, len(names)) // in the answer
	for i, g := range rank {
		place[g] = int32(i)
		if i >= shown {
			a.Rest.add(&totals[g])
			continue
		}
		a.Cohorts = append(a.Cohorts, CohortTotals{Values: names[g], Total: totals[g]})
	}
	if all != nil {
		for i, g := range rank[:shown] {
			a.Cohorts[i].Steps = all[g*n : (g+1)*n]
		}
		return a
	}
	for i, g := range group { // from the leaf to its cohort's place
		if g >= 0 {
			if group[i] = place[g]; int(group[i]) >= shown {
				group[i] = -1
			}
		}
	}
	all = bySteps(shown)
	for i := range a.Cohorts {
		a.Cohorts[i].Steps = all[i*n : (i+1)*n]
	}
	return a
}

// groups returns each leaf's cohort, −1 for those that do not fulfil the conditions, and the cohorts' values.
func (r *Rollup) groups(q *CohortQuery) (group []int32, names [][]string) {
	group = make([]int32, len(r.leaves))
	known := map[[event.NumDims]string]int32{}
	for i, leaf := range r.leaves {
		group[i] = -1
		if !fulfils(q.Where, leaf) {
			continue
		}
		var key [event.NumDims]string
		for _, d := range q.By {
			key[d] = leaf.Values[d]
		}
		g, ok := known[key]
		if !ok {
			g = int32(len(names))
			known[key] = g
			values := make([]string, len(q.By))
			for k, d := range q.By {
				values[k] = leaf.Values[d]
			}
			names = append(names, values)
		}
		group[i] = g
	}
	return group, names
}

func fulfils(where map[event.Dim][]string, leaf *cohort.Leaf) bool {
	for d, values := range where {
		if !slices.Contains(values, leaf.Values[d]) {
			return false
		}
	}
	return true
}

func (r *Rollup) between(from, to int64) []*slab {
	i, _ := slices.BinarySearchFunc(r.slabs, from, func(s *slab, at int64) int { return cmp.Compare(s.at, at) })
	k, _ := slices.BinarySearchFunc(r.slabs, to, func(s *slab, at int64) int { return cmp.Compare(s.at, at) })
	return r.slabs[i:max(i, k)]
}
