package detector

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// blendsOf returns what was drawn of each model in each plan, in the baseline of an incident and in it so far. Where booking has not told, that costs
// one pass over the scope's hours and one over the incident.
func (f *fleet) blendsOf(l *live) (out [2]verdict.Blend) {
	if l.compared {
		return l.blends
	}
	where, _ := f.before(l)
	hours, history := f.past(l, where)
	weights := map[int64]float64{}
	l.each(func(h int64, part float64) {
		like, n := f.likeHours(hours, h, history, l.onset)
		for _, at := range like {
			weights[at] += part / n
		}
	})
	out = [2]verdict.Blend{{}, {}}
	f.store.Hourly(where, history-history%cohort.Hour, l.onset-l.onset%cohort.Hour, func(h int64, leaf *cohort.Leaf, c *cohort.Cell) {
		if w := weights[h]; w > 0 {
			out[0].Add(sortOf(leaf), c, w)
		}
	})
	f.store.Each(l.onset, max(l.lastHit, l.onset)+1, func(leaf *cohort.Leaf, c *cohort.Cell) {
		if l.where.Matches(&leaf.Values) {
			out[1].Add(sortOf(leaf), c, 1)
		}
	})
	return out
}

func sortOf(leaf *cohort.Leaf) verdict.Sort {
	return verdict.Sort{Plan: leaf.Values[event.Plan], Model: leaf.Values[event.Model]}
}
