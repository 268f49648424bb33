package price

import (
	"maps"
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/event"
)

// hard are rows that tell no price, however many come.
var hard = map[string]func(m *meter, e *event.Event){
	"all alike": sameTokens,
	"two plans": func(m *meter, e *event.Event) {
		sameTokens(m, e)
		if e.Dims[event.Plan] = "pro"; m.n%2 == 1 {
			e.Dims[event.Plan] = "business"
			e.Credits *= 2
		}
	},
	"proportional": func(m *meter, e *event.Event) {
		e.Cached, e.Output = 0, e.Input/4
		e.Credits = bill(m.prices, e, m.round, m.how)
	},
	"one in ten its own": func(m *meter, e *event.Event) {
		if sameTokens(m, e); m.n%10 == 3 {
			e.Credits *= event.Credits(2 + m.IntN(20))
		}
	},
	"lawless": func(m *meter, e *event.Event) { e.Credits = event.Credits(1000 * (1 + m.IntN(1e6))) },
}

func sameTokens(m *meter, e *event.Event) {
	e.Input, e.Cached, e.Output = 2000, 500, 300
	e.Credits = bill(m.prices, e, m.round, m.how)
}

// What a row costs in the end where the rows tell no price, beside rows that do.
func BenchmarkLearn(b *testing.B) {
	bench := func(name string, spoil func(m *meter, e *event.Event)) {
		b.Run(name, func(b *testing.B) {
			m := newMeter(21)
			m.users = 1000
			rows := make([]*event.Event, 1<<14)
			for i := range rows {
				rows[i] = m.row()
				spoil(m, rows[i])
			}
			book := NewBook(nil, nil)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				book.Observe(rows[i%len(rows)])
				i++
			}
		})
	}
	bench("priced", func(*meter, *event.Event) {})
	for _, name := range slices.Sorted(maps.Keys(hard)) {
		bench(name, hard[name])
	}
}
