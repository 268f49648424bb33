package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// several returns the scopes that together explain a table, of enough users each.
func (f *fleet) several(t *coded, gain localise.Gain) []localise.Cut {
	return localise.Several(t.Table, func(s localise.Sums) float64 {
		if s[2] < float64(f.rules.MinUsers) {
			return 0
		}
		return gain(s)
	}, maxScope, severalNats)
}

// each returns a table for each of the scopes that together explain one: what the others leave of it. A fault that spares some people and
// hits others makes scopes of those whom it happened to hit, so rows count by how much people differ within the scopes. The set is that of
// rows which are all independent.
func (f *fleet) each(t *coded, flag cohort.Flag, base, weight float64, set []localise.Cut) []*coded {
	if weight > 1 {
		set = f.several(t, localise.Binomial(base, 1/weight))
	}
	if len(set) > 1 {
		hits, people := 0.0, 0.0
		for _, c := range set {
			hits, people = hits+c.Sums[0], people+float64(f.people(f.where(c, t), flag))
		}
		if by := t.dispersion(set); !math.IsInf(by, 1) {
			set = f.several(t, localise.Binomial(base, 1/max(weight, min(by, hits/max(people, 1)))))
		}
	}
	if len(set) < 2 {
		return []*coded{t}
	}
	var own []*coded
	for i, c := range set {
		if f.people(f.where(c, t), flag) < int64(f.rules.MinUsers) {
			return []*coded{t}
		}
		x := *t
		x.Table = t.Without(slices.Delete(slices.Clone(set), i, i+1))
		own = append(own, &x)
	}
	return own
}

// aside drops scopes that would take in other incidents of the kind, where those and the best of the other scopes explain more than one
// for all does. The table holds nothing of theirs.
func (f *fleet) aside(cuts []localise.Cut, t *coded, gain localise.Gain, l *live) []localise.Cut {
	within := make([][]*live, len(cuts))
	rest, found := 0.0, false
	for i, c := range cuts {
		where := f.where(c, t)
		for _, m := range f.lives {
			if l.by == byFlag && m.open() && m.beside(l, l.flag) && sameFault(m.fault, l.fault) && where.Covers(m.where) {
				within[i] = append(within[i], m)
			}
		}
		if len(within[i]) == 0 && !found {
			rest, found = c.Score, true
		}
	}
	out := cuts[:0]
	for i, c := range cuts {
		all, apart := c.Sums, rest
		for _, m := range within[i] {
			own := localise.Sums{float64(m.inside.Flagged(l.flag).Rows), float64(m.inside.Opportunities(l.flag))}
			all[0], all[1], apart = all[0]+own[0], all[1]+own[1], apart+gain(own)
			for _, x := range m.where {
				apart -= t.Penalty(int(x.Dim))
			}
		}
		if len(within[i]) == 0 || gain(all)-(c.Gain-c.Score) >= apart {
			out = append(out, c)
		}
	}
	return out
}
