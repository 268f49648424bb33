package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// clusters returns by how many rows of a table one more says as much as one that is independent of the others, once it is clear that
// something is wrong. Whether to cry is judged by clusters, as many affected rows as an affected user has: a busy user says no more than
// another. Where it is would be judged too dimly so: what denies a wider scope is rows of a sibling that are right, and those are as many
// as they are, unless the fault spares some users and hits others. How much counts vary by that, the scopes that fit best show themselves. Those
// are returned too, of rows that are all independent.
func (f *fleet) clusters(t *coded, flag cohort.Flag, base, cluster float64, from, to int64) (weight float64, fits []localise.Cut) {
	weight = max(1, cluster)
	fits = f.several(t, localise.Binomial(base, 1))
	if len(fits) < 2 {
		var fit localise.Cut
		for _, c := range localise.Search(t.Table, localise.Binomial(base, 1/weight), maxScope) {
			if c.Gain > fit.Gain {
				fit = c
			}
		}
		fits = []localise.Cut{fit}
	}
	if fits[0].Gain > 0 {
		var wheres []cohort.Where
		for _, c := range fits {
			wheres = append(wheres, f.where(c, t))
		}
		if by := max(1, f.dispersion(flag, wheres, from, to)); f.says(verdict.Dispersion, by < weight) {
			weight = by
		}
	}
	return weight, fits
}

// ofPeople are the dimensions in which a user's rows seldom differ.
var ofPeople = []event.Dim{event.Plan, event.Client, event.Surface, event.Region, event.Org, event.Experiment}

// dispersion is that of affected rows over the people of some scopes, as far as dimensions tell them apart; infinite where those do not.
func (c *coded) dispersion(set []localise.Cut) float64 {
	var counts [][][2]float64
	for left := c.Table; len(set) > 0; left, set = left.Without(set[:1]), set[1:] {
		at, of := map[[event.NumDims]uint32]int{}, [][2]float64(nil)
		for _, i := range left.RowsOf(set[0]) {
			var key [event.NumDims]uint32
			for _, d := range ofPeople {
				key[d] = left.Codes[d][i]
			}
			k, ok := at[key]
			if !ok {
				k, of = len(of), append(of, [2]float64{})
				at[key] = k
			}
			of[k][0], of[k][1] = of[k][0]+left.Rows[i][0], of[k][1]+max(left.Rows[i][1], left.Rows[i][0])
		}
		counts = append(counts, of)
	}
	return scatter(counts)
}

// dispersion is that of the counts of a flag over the leaves and hours of some scopes.
func (f *fleet) dispersion(flag cohort.Flag, wheres []cohort.Where, from, to int64) float64 {
	counts := make([][][2]float64, len(wheres))
	for i, where := range wheres {
		f.store.Hourly(where, from-from%cohort.Hour, to, func(_ int64, leaf *cohort.Leaf, c *cohort.Cell) {
			if slices.ContainsFunc(wheres[:i], func(w cohort.Where) bool { return w.Matches(&leaf.Values) }) {
				return
			}
			hits := float64(c.Flagged(flag).Rows)
			if rows := max(float64(c.Opportunities(flag)), hits); rows > 0 {
				counts[i] = append(counts[i], [2]float64{hits, rows})
			}
		})
	}
	return scatter(counts)
}

// scatter returns how many times more than independent rows of one rate in each scope counts vary, of how many of how many rows:
// Pearson's statistic over its degrees of freedom (McCullagh & Nelder, Generalized Linear Models, 1989, section 4.5.2); 1 where every
// row is hit, infinite where there are too few counts to tell.
func scatter(scopes [][][2]float64) float64 {
	const least = 10
	sum, number, all := 0.0, 0, true
	for _, counts := range scopes {
		k, n := 0.0, 0.0
		for _, c := range counts {
			k, n = k+c[0], n+c[1]
		}
		number += len(counts)
		if k == n && n > 0 {
			continue
		}
		all = false
		if k == 0 {
			return math.Inf(1)
		}
		rate := k / n
		for _, c := range counts {
			d := c[0] - rate*c[1]
			sum += float64(d*d) / (c[1] * rate * (1 - rate))
		}
	}
	switch {
	case all:
		return 1
	case number < least:
		return math.Inf(1)
	}
	return sum / float64(number-len(scopes))
}
