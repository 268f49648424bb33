package dedupe

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkAdd measures new rows in a set of that many, in the steady state: each row makes an old one leave, so rebuilding,
// forgetting and the log's blocks are part of the figure.
func BenchmarkAdd(b *testing.B) {
	for _, size := range []int{10_000, 1_000_000, 10_000_000} {
		b.Run(fmt.Sprintf("new/rows=%d", size), func(b *testing.B) {
			s := New(Options{Window: time.Duration(size), MaxBytes: 1 << 30}) // one row a nanosecond
			i := int64(0)
			for ; i < int64(size)*11/10; i++ {
				s.Advance(i)
				s.AddKey(uint64(i), 0)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				s.Advance(i)
				s.AddKey(uint64(i), 0)
				i++
			}
			st := s.Stats()
			b.ReportMetric(float64(st.Bytes)/float64(st.Entries), "B/row")
			if st.Overflowed > 0 {
				b.Errorf("%d overflowed", st.Overflowed)
			}
		})
	}
	b.Run("duplicate/rows=10000000", func(b *testing.B) {
		s := New(Options{MaxBytes: 1 << 30})
		for i := range uint64(10_000_000) {
			s.AddKey(i, 0)
		}
		b.ResetTimer()
		for i := range b.N {
			s.AddKey(uint64(i)*7919%10_000_000, 0)
		}
	})
	b.Run("names", func(b *testing.B) {
		s := New(Options{})
		b.ReportAllocs()
		for b.Loop() {
			s.Add("usr_8f3a2c91", "chg_01J1A7Q4W9X2", 1)
		}
	})
}

// BenchmarkGrowth fills an empty set up to ten million rows and reports the mean and the slowest Add, which must not grow with the set.
func BenchmarkGrowth(b *testing.B) {
	for range b.N {
		s := New(Options{MaxBytes: 1 << 30})
		var slowest time.Duration
		start := time.Now()
		last := start
		for i := range uint64(10_000_000) {
			s.AddKey(i, 0)
			if i%64 == 63 { // one reading of the clock for 64 rows
				now := time.Now()
				slowest = max(slowest, now.Sub(last))
				last = now
			}
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/10_000_000, "ns/row")
		b.ReportMetric(float64(slowest.Microseconds()), "µs-slowest-64")
	}
}
