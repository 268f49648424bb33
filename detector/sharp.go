package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// sharp returns the gain by which scopes are told apart, once it is clear that something is wrong. Whether to cry is judged by
// clusters, as many affected rows as an affected user has: a busy user says no more than another. Where it is would be judged
// too dimly so: what denies a wider scope is rows of a sibling that are right, and those are as many as they are, unless the
// fault spares some users and hits others. How much counts vary by that, the candidate that fits best shows itself.
func (f *fleet) sharp(t *coded, flag cohort.Flag, base, cluster float64, from, to int64) localise.Gain {
	weight := max(1, cluster)
	var fit localise.Cut
	for _, c := range localise.Search(t.Table, localise.Binomial(base, 1/weight), maxScope) {
		if c.Gain > fit.Gain {
			fit = c
		}
	}
	if fit.Gain > 0 {
		if by := max(1, f.dispersion(flag, f.where(fit, t), from, to)); f.says(verdict.Dispersion, by < weight) {
			weight = by
		}
	}
	return localise.Binomial(base, 1/weight)
}

// dispersion returns how many times more than independent rows of one rate the counts of a flag vary over the leaves and hours
// of a scope: Pearson's statistic over its degrees of freedom (McCullagh & Nelder, Generalized Linear Models, 1989, section
// 4.5.2); 1 where every row bears the flag, infinite where there are too few counts to tell.
func (f *fleet) dispersion(flag cohort.Flag, where cohort.Where, from, to int64) float64 {
	const least = 10
	var counts [][2]float64
	k, n := 0.0, 0.0
	f.store.Hourly(where, from-from%cohort.Hour, to, func(_ int64, _ *cohort.Leaf, c *cohort.Cell) {
		hits := float64(c.Flagged(flag).Rows)
		if rows := max(float64(c.Opportunities(flag)), hits); rows > 0 {
			counts = append(counts, [2]float64{hits, rows})
			k, n = k+hits, n+rows
		}
	})
	if k == n && n > 0 {
		return 1
	}
	if len(counts) < least || k == 0 {
		return math.Inf(1)
	}
	rate, sum := k/n, 0.0
	for _, c := range counts {
		d := c[0] - rate*c[1]
		sum += float64(d*d) / (c[1] * rate * (1 - rate))
	}
	return sum / float64(len(counts)-1)
}
