package detector_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
)

// rush makes rows of many users in one partition, who take turns.
type rush struct {
	users, next int
	at, span    int64
	e           event.Event
	text        []byte
}

func newRush(users int, over time.Duration) *rush {
	r := &rush{users: users, at: time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC).UnixNano(), span: int64(over) / int64(3*users)}
	r.e = event.Event{
		HasTokens: true, Input: 5000, Cached: 3000, Output: 400, Credits: event.Credit / 100,
		Session: "s", Device: "d", IP: "198.51.100.7", APIKey: "k", Country: "de",
	}
	r.e.Dims[event.Model], r.e.Dims[event.Plan] = "m", "pro"
	return r
}

// rows makes the next batch.
func (r *rush) rows(n int) []detector.Record {
	records := make([]detector.Record, n)
	for k := range records {
		i := r.next
		r.next++
		e := &r.e
		e.ID, e.User, e.Time = fmt.Sprint("r", i), fmt.Sprint("user-", i*7919%r.users), r.at+int64(i)*r.span
		e.TurnID = e.ID
		e.Dims[event.Region] = fmt.Sprint("region-", i%40)
		r.text = e.AppendJSON(r.text[:0])
		records[k] = detector.Record{Offset: int64(i), Value: string(r.text)}
	}
	return records
}

// BenchmarkCheckpoint measures what checkpoints of many users in one partition cost: how long rows wait for one at most, what it writes the
// first time and after some rows, what it takes of throughput when one is made every 30 s, and how long it takes to read one back.
func BenchmarkCheckpoint(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n, " users"), func(b *testing.B) {
			o := detector.Options{DedupeBytes: 1 << 30}
			for b.Loop() {
				eng, err := detector.New(o, &sink{}, nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := eng.Assign(0); err != nil {
					b.Fatal(err)
				}
				r := newRush(n, 3*time.Hour) // three rows each
				for r.next < 3*n {
					if err := eng.Feed(b.Context(), 0, r.rows(4000)); err != nil {
						b.Fatal(err)
					}
				}
				kept := disk{}
				all := kept.save(b, eng)
				b.ReportMetric(float64(all.Stalled.Microseconds())/1e3, "ms/stall,all")
				b.ReportMetric(float64(sizeOf(all))/float64(n), "B/user")
				under(b, eng, kept, r)
				last := kept.save(b, eng)
				if err := eng.Close(); err != nil {
					b.Fatal(err)
				}
				other, err := detector.New(o, &sink{}, nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := other.Assign(0); err != nil {
					b.Fatal(err)
				}
				began := time.Now()
				if err := other.Restore(last); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/restore")
				if err := other.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// under feeds rows at full speed, and takes checkpoints in every other round, as if rows of 30 s came between two of them at the rate that is
// reached without.
func under(b *testing.B, eng *detector.Engine, kept disk, r *rush) {
	b.Helper()
	const rounds = 6
	var took [2]time.Duration
	var stalled, saving time.Duration
	var longest [2]time.Duration
	written := 0
	for round := range rounds {
		batches := make([][]detector.Record, 100)
		for i := range batches {
			batches[i] = r.rows(4000)
		}
		with := round % 2
		var save sync.WaitGroup
		began := time.Now()
		if with == 1 {
			save.Go(func() {
				at := time.Now()
				before := len(kept)
				saved := kept.save(b, eng)
				saving += time.Since(at)
				stalled = max(stalled, saved.Stalled)
				written += (len(kept) - before) / (rounds / 2)
			})
		}
		for _, batch := range batches {
			at := time.Now()
			if err := eng.Feed(b.Context(), 0, batch); err != nil {
				b.Fatal(err)
			}
			longest[with] = max(longest[with], time.Since(at))
		}
		save.Wait()
		took[with] += time.Since(began)
	}
	b.ReportMetric(float64(stalled.Microseconds())/1e3, "ms/stall")
	b.ReportMetric(float64((longest[1]-longest[0]).Microseconds())/1e3, "ms/wait")
	b.ReportMetric(float64(written), "parts/save")
	b.ReportMetric(float64(saving.Milliseconds())*2/rounds, "ms/save")
	// A checkpoint costs what its rounds took longer; one is due in 30 s.
	b.ReportMetric(float64((took[1]-took[0]).Milliseconds())*2/rounds/30_000*100, "%cost")
}

func sizeOf(s *detector.Saved) int {
	size := len(s.Fleet) + len(s.Booked)
	for _, parts := range s.Shards {
		for _, p := range parts {
			size += len(p.Bytes)
		}
	}
	return size
}
