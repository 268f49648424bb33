package price

import (
	"math"
	"testing"

	"github.com/drainwatch/drainwatch/detector/event"
)

// No row, price list or calendar makes a quote panic or negative, or anything off its own price.
func FuzzQuote(f *testing.F) {
	f.Add(int64(1000), int64(500), int64(100), int64(20), int64(1e9), int64(1e8), int64(1000), int64(5000), 1.0)
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(0), int64(0), int64(0), 1e300)
	f.Add(int64(3), int64(3), int64(3), int64(0), int64(7), int64(9), int64(math.MaxInt64), int64(-1), 1e-300)
	f.Add(int64(1), int64(0), int64(0), int64(1), int64(1), int64(1), int64(1)<<58, int64(math.MinInt64), 0.5)
	f.Fuzz(func(t *testing.T, in, cached, write, out, price, cheap, round, charge int64, factor float64) {
		if in < 0 || out < 0 || cached < 0 || cached > in || write < 0 || write > in || price < 0 || cheap < 0 || !(factor > 0) || math.IsInf(factor, 0) {
			t.Skip("refused by the decoder or the configuration")
		}
		e := rowOf(day, "model", "codex")
		e.Input, e.Cached, e.CacheWrite, e.Output, e.Credits = in, cached, write, out, event.Credits(charge)
		entry := Entry{Model: "codex", Input: event.Credits(price), Cached: event.Credits(cheap), CacheWrite: event.Credits(price), Output: event.Credits(price), Round: event.Credits(round)}
		b := NewBook([]Entry{entry}, []Change{{From: day, To: day.Add(1), Factor: factor}, {From: day.Add(2), To: day.Add(3), Factor: 2}})
		learner := NewBook(nil, nil)
		for range 3 {
			q := b.Quote(e)
			if !q.Known || q.Expected < 0 || q.Full < 0 || q.Output < 0 || q.Slack < 1 || q.Off(q.Expected) {
				t.Fatalf("quote %+v", q)
			}
			_ = q.LostDiscount(e.Credits)
			b.Observe(e)
			learner.Observe(e)
			e.Time += 4
		}
	})
}
