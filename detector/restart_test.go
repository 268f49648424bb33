package detector_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/fixtures"
)

// disk holds parts by their hash, as a store does.
type disk map[string][]byte

// save saves what has changed, and returns it with what has not.
func (d disk) save(tb testing.TB, eng *detector.Engine) *detector.Saved {
	tb.Helper()
	saved, err := eng.Save(context.Background(), func(hash string) bool { return d[hash] != nil })
	if err != nil {
		tb.Fatal(err)
	}
	for _, parts := range saved.Shards {
		for i := range parts {
			if p := &parts[i]; p.Bytes != nil {
				d[p.Hash] = p.Bytes
			} else if p.Bytes = d[p.Hash]; p.Bytes == nil {
				tb.Fatalf("part %s was not written, and is not there", p.Name)
			}
		}
	}
	return saved
}

// interrupted reads everything, but every so often what there is goes to bytes and into an engine made afresh. stops lists, for each
// of those, up to where each partition is fed first. Where reckless, an engine's state is taken at some moment while it is fed, and what
// it says afterwards is said again.
func interrupted(tb testing.TB, o detector.Options, in source, stops []map[int32]int64, reckless bool) (*outcome, *detector.Saved) {
	tb.Helper()
	out, kept := &outcome{}, disk{}
	var saved *detector.Saved
	end := map[int32]int64{}
	for p, rows := range in {
		end[p] = int64(len(rows))
	}
	for _, stop := range append(stops, end) {
		eng, err := detector.New(o, out, in)
		if err != nil {
			tb.Fatal(err)
		}
		for p := range in {
			if err := eng.Assign(p); err != nil {
				tb.Fatal(err)
			}
		}
		from := map[int32]int64{}
		if saved != nil {
			if err := eng.Restore(saved); err != nil {
				tb.Fatal(err)
			}
			from = saved.Next
		}
		var feeders sync.WaitGroup
		for p, rows := range in {
			feeders.Go(func() {
				for part := range slices.Chunk(rows[from[p]:max(stop[p], from[p])], 1000) {
					if err := eng.Feed(context.Background(), p, part); err != nil {
						tb.Error(err)
						return
					}
				}
			})
		}
		if !reckless || saved == nil {
			feeders.Wait()
		} else { // the first of these are of no use but that the last writes less
			for range 3 {
				kept.save(tb, eng)
			}
		}
		saved = kept.save(tb, eng)
		feeders.Wait()
		for p, next := range saved.Next {
			if !reckless && next != max(stop[p], from[p]) {
				tb.Fatalf("partition %d was read up to %d, and would go on from %d", p, stop[p], next)
			}
		}
		if fmt.Sprint(stop) == fmt.Sprint(end) {
			if saved, err = eng.Save(context.Background(), nil); err != nil {
				tb.Fatal(err)
			}
			out.finish(tb, eng)
		}
		if err := eng.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	return out, saved
}

// once drops repeats of revisions, which must be repeats to the byte. What came first of two different ones stays where it was.
func once(tb testing.TB, alerts []incident.Record) (out []incident.Record) {
	tb.Helper()
	seen := map[string]string{}
	for _, r := range alerts {
		text, err := json.Marshal(r)
		if err != nil {
			tb.Fatal(err)
		}
		key := fmt.Sprint(r.Incident, "/", r.Revision)
		switch was, known := seen[key]; {
		case !known:
			seen[key] = string(text)
			out = append(out, r)
		case was != string(text):
			tb.Errorf("revision %s was said as\n%s\nand after the restart as\n%s", key, was, text)
		}
	}
	return out
}

// TestRestartsChangeNothing stops at random records, goes on in a new engine from what was saved, and expects the bytes of one that
// never stopped: alerts, ledger, summary, and the state that is left in the end. Here over a small world and the beginning of another;
// make restarts takes all of every scenario.
func TestRestartsChangeNothing(t *testing.T) {
	names, cuts, most := []string{"price-sparse", travelled[0]}, 6, 25_000
	all := os.Getenv("DRAINWATCH_RESTARTS") != ""
	if all {
		names, cuts, most = fixtures.Names(), 12, math.MaxInt
	}
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			w := world(t, name)
			if all {
				worlds.Clear() // one at a time
			}
			o := w.options
			o.Answers = true
			in := split(t, w.records[:min(len(w.records), most)], []int32{3, 1}[i%2])
			want, last := interrupted(t, o, in, nil, false)
			if i == 0 && len(want.final()) == 0 {
				t.Fatal("nothing was found: there is nothing to compare")
			}
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			stops := make([]map[int32]int64, cuts)
			for p, rows := range in {
				at := make([]int64, cuts)
				for k := range at {
					at[k] = rng.Int64N(int64(len(rows)) + 1)
				}
				slices.Sort(at)
				for k := range at {
					if stops[k] == nil {
						stops[k] = map[int32]int64{}
					}
					stops[k][p] = at[k]
				}
			}
			defer detector.SliceBytes(detector.SliceBytes(1)) // so that many rows come between two pieces
			for _, reckless := range []bool{false, true} {
				got, left := interrupted(t, o, in, stops, reckless)
				got.alerts = once(t, got.alerts)
				if reckless {
					want.alerts = sorted(want.alerts)
					got.alerts = sorted(got.alerts)
				}
				if want, got := want.said(t), got.said(t); got != want {
					t.Errorf("after restarts at %v it says otherwise: %s", stops, difference(strings.Split(want, "\n"), strings.Split(got, "\n")))
				}
				if !bytes.Equal(left.Fleet, last.Fleet) || !bytes.Equal(left.Booked, last.Booked) {
					t.Errorf("after restarts at %v the fleet is left with another state", stops)
				}
				for p := range in {
					if !slices.EqualFunc(left.Shards[p], last.Shards[p], samePart) {
						t.Errorf("after restarts at %v shard %d is left with another state", stops, p)
					}
				}
			}
		})
	}
}

func samePart(a, b detector.Part) bool { return a.Name == b.Name && a.Hash == b.Hash }

func sorted(alerts []incident.Record) []incident.Record {
	slices.SortFunc(alerts, func(a, b incident.Record) int {
		return cmp.Or(cmp.Compare(a.Incident, b.Incident), cmp.Compare(a.Revision, b.Revision))
	})
	return alerts
}

// What cannot be taken up is refused with a reason.
func TestRestoreRefuses(t *testing.T) {
	rows := world(t, travelled[0]).records[:2000]
	save := func(eng *detector.Engine) *detector.Saved {
		if err := eng.Feed(t.Context(), 0, rows); err != nil {
			t.Fatal(err)
		}
		saved, err := eng.Save(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return saved
	}
	o := world(t, travelled[0]).options
	saved := save(start(t, o, &sink{}, 0))
	tests := []struct {
		name       string
		change     func(*detector.Saved, *detector.Options)
		partitions []int32
		want       string
	}{
		{"other partitions", func(*detector.Saved, *detector.Options) {}, []int32{0, 1}, "it is of partitions [0], and [0 1] are assigned"},
		{"a torn shard", func(s *detector.Saved, _ *detector.Options) {
			parts := slices.Clone(s.Shards[0])
			parts[0].Bytes = parts[0].Bytes[:100]
			s.Shards = map[int32][]detector.Part{0: parts}
		}, []int32{0}, "torn or damaged"},
		{"a part is missing", func(s *detector.Saved, _ *detector.Options) {
			s.Shards = map[int32][]detector.Part{0: slices.DeleteFunc(slices.Clone(s.Shards[0]), func(p detector.Part) bool { return p.Name == "users-0" })}
		}, []int32{0}, "its part users-0 is missing"},
		{"another partition's", func(s *detector.Saved, _ *detector.Options) { s.Shards = map[int32][]detector.Part{1: s.Shards[0]} }, []int32{1}, "the state is of partition"},
		{"a shard for a fleet", func(s *detector.Saved, _ *detector.Options) { s.Fleet = s.Shards[0][0].Bytes }, []int32{0}, `the state is of "shard"`},
		{"another offset", func(s *detector.Saved, _ *detector.Options) { s.Next = map[int32]int64{0: 7} }, []int32{0}, "goes on from offset 2000, and 7 was said"},
		{"another memory of ids", func(_ *detector.Saved, o *detector.Options) { o.DedupeWindow = 1 }, []int32{0}, "ids were remembered for 24h0m0s, and the configuration says"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, o := *saved, o
			tt.change(&s, &o)
			err := start(t, o, &sink{}, tt.partitions...).Restore(&s)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("running", func(t *testing.T) {
		eng := start(t, o, &sink{}, 0)
		if err := errors.Join(eng.Feed(t.Context(), 0, rows), eng.Restore(saved)); err == nil || !strings.Contains(err.Error(), "the engine is running") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("as it is", func(t *testing.T) {
		out := &sink{}
		eng := start(t, o, out, 0)
		if err := eng.Restore(saved); err != nil {
			t.Fatal(err)
		}
		if again := save2(t, eng); !slices.EqualFunc(again.Shards[0], saved.Shards[0], samePart) || !bytes.Equal(again.Fleet, saved.Fleet) {
			t.Error("what was restored is saved as something else")
		}
	})
}

func save2(t *testing.T, eng *detector.Engine) *detector.Saved {
	t.Helper()
	saved, err := eng.Save(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}
