package detector_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
)

// crowd feeds three hours of n users, three rows each, in one partition.
func crowd(b *testing.B, eng *detector.Engine, n int) {
	b.Helper()
	e := event.Event{
		HasTokens: true, Input: 5000, Cached: 3000, Output: 400, Credits: event.Credit / 100,
		Session: "s", Device: "d", IP: "198.51.100.7", APIKey: "k", Country: "de",
	}
	e.Dims[event.Model], e.Dims[event.Plan] = "m", "pro"
	start := time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC).UnixNano()
	span := int64(3*time.Hour) / int64(3*n)
	var text []byte
	for from := 0; from < 3*n; from += 4096 {
		records := make([]detector.Record, 0, 4096)
		for i := from; i < min(from+4096, 3*n); i++ {
			e.ID, e.User, e.Time = fmt.Sprint("r", i), fmt.Sprint("user-", i%n), start+int64(i)*span
			e.TurnID = e.ID
			e.Dims[event.Region] = fmt.Sprint("region-", i%40)
			text = e.AppendJSON(text[:0])
			records = append(records, detector.Record{Offset: int64(i), Value: string(text)})
		}
		if err := eng.Feed(b.Context(), 0, records); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheckpoint measures what a checkpoint of many users in one partition costs: how long all stands still, at most, while the
// state is written out, how large it is, and how long it takes to read it back.
func BenchmarkCheckpoint(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n, " users"), func(b *testing.B) {
			o := detector.Options{DedupeBytes: 1 << 30}
			eng, err := detector.New(o, &sink{}, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer eng.Close()
			if err := eng.Assign(0); err != nil {
				b.Fatal(err)
			}
			crowd(b, eng, n)
			if _, err := eng.Save(b.Context()); err != nil { // and all is read
				b.Fatal(err)
			}
			var save, restore time.Duration
			size := 0
			for b.Loop() {
				began := time.Now()
				saved, err := eng.Save(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				save += time.Since(began)
				size = len(saved.Shards[0]) + len(saved.Fleet)
				other, err := detector.New(o, &sink{}, nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := other.Assign(0); err != nil {
					b.Fatal(err)
				}
				began = time.Now()
				if err := other.Restore(saved); err != nil {
					b.Fatal(err)
				}
				restore += time.Since(began)
				other.Close()
			}
			b.ReportMetric(float64(save.Milliseconds())/float64(b.N), "ms/save")
			b.ReportMetric(float64(restore.Milliseconds())/float64(b.N), "ms/restore")
			b.ReportMetric(float64(size)/float64(n), "B/user")
		})
	}
}
