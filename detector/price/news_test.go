package price

import (
	"maps"
	"testing"

	"github.com/drainwatch/drainwatch/detector/event"
)

// eager is b.Observe as it would be if every sample were fitted.
func eager(b *Book, e *event.Event) {
	if l := b.learned["codex"]; l != nil {
		l.full = false
	}
	b.Observe(e)
}

// quotes returns after how many rows of m b quotes 20 in a row right.
func quotes(m *meter, b *Book, observe func(*Book, *event.Event)) int {
	for n, right := 0, 0; n < 4000; n++ {
		e := m.row()
		if q := b.Quote(e); q.Known && !q.Off(e.Credits) {
			right++
		} else {
			right = 0
		}
		if right == 20 {
			return n
		}
		observe(b, e)
	}
	return 4000
}

// Samples that are not fitted, as they tell nothing new, cost no time once rows do: each price is learned on the same row.
func TestLearnsAsSoonAsIfEverySampleWereFitted(t *testing.T) {
	for name, spoil := range hard {
		for seed := range uint64(3) {
			after := [2]int{}
			var books [2]*Book
			for k, observe := range []func(*Book, *event.Event){eager, (*Book).Observe} {
				m := newMeter(seed)
				m.users = 1000
				b := NewBook(nil, nil)
				for range 1100 + 70*seed {
					e := m.row()
					spoil(m, e)
					observe(b, e)
				}
				books[k], after[k] = b, quotes(m, b, observe)
			}
			if after[1] > after[0] || after[1] == 4000 {
				t.Errorf("%s, seed %d: learned after %d rows, and after %d if every sample is fitted", name, seed, after[1], after[0])
			}
			e, l := books[0].learned["codex"], books[1].learned["codex"]
			if !e.whole.same(l.whole) || !maps.EqualFunc(e.parts, l.parts, (*fit).same) {
				t.Errorf("%s, seed %d: learned %+v, and %+v if every sample is fitted", name, seed, l.whole, e.whole)
			}
		}
	}
}

// A fit takes memory for each row that it looks at, of which this is the measure.
func TestRowsThatTellNothingAreNotFittedForEver(t *testing.T) {
	for name, spoil := range hard {
		var takes [2]float64
		for k, observe := range []func(*Book, *event.Event){eager, (*Book).Observe} {
			m := newMeter(5)
			m.users = 1000
			b := NewBook(nil, nil)
			rows := make([]*event.Event, 2*sampleMax)
			for i := range rows {
				rows[i] = m.row()
				spoil(m, rows[i])
			}
			feed := func() {
				for _, e := range rows {
					observe(b, e)
				}
			}
			for range 3 {
				feed()
			}
			takes[k] = testing.AllocsPerRun(1, feed) / float64(len(rows))
		}
		if takes[1] > takes[0]/2 {
			t.Errorf("%s: %.1f allocations a row, and %.1f if every sample is fitted", name, takes[1], takes[0])
		}
	}
}
