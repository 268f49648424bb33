package price

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/stats"
)

// stale is what a learner remembers of full samples that taught nothing, so that more of the same is not fitted for ever: rows that are all
// alike tell no price, and charges may follow no law of tokens at all.
type stale struct {
	times int     // full samples since one taught something
	off   int     // rows of the last one fitted that do not obey what is known
	apart [4]bool // kinds of token that the rows told apart, though no law that they obey did
}

const (
	newest    = 48 // rows that are asked for a law where none is known
	staleMost = 64 // full samples after which the next is fitted, news or not
)

// news says whether a fit of the sample may teach what the last did not: more rows are off what is known than were, a kind of token
// can be told apart that could not, or, where nothing is known, the newest rows obey a law. To be sure, full samples are
// fitted anyway, ever more seldom.
func (l *learner) news() bool {
	if len(l.sample) >= sampleMax {
		l.stale.times++
		if n := l.stale.times; bits.OnesCount(uint(n)) == 1 || n%staleMost == 0 {
			return true
		}
	}
	if l.whole == nil {
		return lawful(l.sample[max(len(l.sample)-newest, 0):])
	}
	expected := float64(l.stale.off) * float64(len(l.sample)) / sampleMax
	if float64(l.off()) > expected+3*math.Sqrt(expected)+4 {
		return true
	}
	for k, apart := range l.apart() {
		if apart && !l.stale.apart[k] {
			return true
		}
	}
	return false
}

// learned remembers what a fit of the sample was worth, given the learner before it.
func (l *learner) learned(before *learner) {
	if !l.same(before) {
		l.stale = stale{}
	}
	if len(l.sample) >= sampleMax && l.whole != nil {
		l.stale.off, l.stale.apart = l.off(), l.apart()
	}
}

// same says whether l knows no more than before. Copies share parts of which none is changed in place.
func (l *learner) same(before *learner) bool {
	if l.by != before.by || len(l.parts) != len(before.parts) || !l.whole.same(before.whole) {
		return false
	}
	for v, f := range l.parts {
		if !f.same(before.parts[v]) {
			return false
		}
	}
	return true
}

func (f *fit) same(g *fit) bool {
	if f == nil || g == nil {
		return f == g
	}
	return f.keeps(g) && g.keeps(f)
}

// off returns how many rows of the sample do not obey what is known.
func (l *learner) off() (n int) {
	for i := range l.sample {
		if e := &l.sample[i]; !l.pick(e).obeyed(e) {
			n++
		}
	}
	return n
}

// apart returns the kinds of token without a price that the sample tells apart from others.
func (l *learner) apart() (kinds [4]bool) {
	x, y := columns(l.sample)
	type group struct {
		x [][]float64
		y []float64
	}
	groups := map[*fit]*group{}
	for i := range l.sample {
		f := l.pick(&l.sample[i])
		if groups[f] == nil {
			groups[f] = &group{}
		}
		g := groups[f]
		g.x, g.y = append(g.x, x[i]), append(g.y, y[i])
	}
	for f, g := range groups {
		for k, apart := range stats.Apart(g.x, g.y) {
			kinds[k] = kinds[k] || apart && !f.known[k]
		}
	}
	return kinds
}

// lawful says whether most of rows obey one law, loosely.
func lawful(rows []event.Event) bool {
	x, y := columns(rows)
	f, err := stats.RobustLinear(x, y, slacks(y, 0.08, quantum(rows)), rand.New(rand.NewPCG(2, uint64(len(rows)))))
	return err == nil && f.Share >= 0.5
}
