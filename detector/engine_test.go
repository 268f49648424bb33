package detector_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// said is everything that leaves the program, as bytes.
func (o *outcome) said(t *testing.T) string {
	t.Helper()
	text, err := json.MarshalIndent([]any{o.alerts, o.dead, o.ledger, o.summary}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// verdicts is what must not depend on how rows travel: class, cause, scope, onset and who is owed what.
func (o *outcome) verdicts() []string {
	var out []string
	for _, r := range o.final() {
		if r.Class == "organic" {
			continue
		}
		lines := []string{fmt.Sprint(kindText(r), " from ", r.StartedAt.Format(time.RFC3339Nano))}
		for _, l := range o.ledger {
			if l.Incident == r.Incident {
				lines = append(lines, fmt.Sprint(" ", l.User, " ", l.Rows, " ", l.Charged, " ", l.Expected))
			}
		}
		slices.Sort(lines[1:])
		out = append(out, lines...)
	}
	return out
}

// difference shows the first lines that one list has and the other lacks.
func difference(a, b []string) string {
	var out []string
	for i, l := range [][2][]string{{a, b}, {b, a}} {
		n := 0
		for _, line := range l[0] {
			if !slices.Contains(l[1], line) {
				if n++; n <= 3 {
					out = append(out, []string{"- ", "+ "}[i]+line)
				}
			}
		}
		out = append(out, fmt.Sprintf("%s%d of %d lines", []string{"- ", "+ "}[i], n, len(l[0])))
	}
	return strings.Join(out, "\n")
}

// travelled are the scenarios whose rows the tests of determinism send on different ways.
// make test takes every other.
var travelled = []string{"duplicates", "penalties", "price-20x", "price-cohort"}

func eachTravelled(t *testing.T, test func(t *testing.T, w *traffic)) {
	for i, name := range travelled {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && i > 0 {
				t.Skip("long")
			}
			leaveToCI(t, i%2 == 1)
			t.Parallel()
			test(t, world(t, name))
		})
	}
}

// The same input gives the same bytes, twice, on any number of cores and decoders, and whether somebody observes scores.
func TestReplayIsDeterministic(t *testing.T) {
	w := world(t, "duplicates")
	want := w.outcome(t).said(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, workers := range []int{1, 8} {
		runtime.GOMAXPROCS(workers)
		o := w.options
		o.Workers = workers
		var flags, people atomic.Int64
		if workers > 1 {
			o.Observe = func(s detector.Score) {
				switch {
				case s.Rule == detector.RuleFlags && s.User == "" && s.Value >= s.Rule.Info().Default:
					flags.Add(1)
				case s.Rule == detector.RuleIdentity && s.User != "":
					people.Add(1)
				}
			}
		}
		if got := replay(t, o, source{0: w.records}).said(t); got != want {
			t.Errorf("%d workers say otherwise: %s", workers, difference(strings.Split(want, "\n"), strings.Split(got, "\n")))
		}
		if o.Observe != nil && (flags.Load() == 0 || people.Load() == 0) {
			t.Errorf("observed the cohort's rows %d times, users' identities %d times", flags.Load(), people.Load())
		}
	}
}

// One partition or four, with rows split by user as Kafka splits them: the same incidents, onsets and ledgers.
func TestPartitionsChangeNoVerdict(t *testing.T) {
	eachTravelled(t, func(t *testing.T, w *traffic) {
		want := w.outcome(t).verdicts()
		if len(want) < 2 {
			t.Fatal("nothing was found: there is nothing to compare")
		}
		out := replay(t, w.options, split(t, w.records, 4))
		if got := out.verdicts(); !slices.Equal(got, want) {
			t.Errorf("four partitions differ:\n%s", difference(want, got))
		}
		if got := out.summary.Counted; got != w.truth.Rows {
			t.Errorf("counted %d rows of %d", got, w.truth.Rows)
		}
	})
}

// Rows in any order that the lateness allows: the same incidents, onsets and ledgers.
func TestDisorderChangesNoVerdict(t *testing.T) {
	eachTravelled(t, func(t *testing.T, w *traffic) {
		want := w.outcome(t).verdicts()
		if len(want) < 2 {
			t.Fatal("nothing was found: there is nothing to compare")
		}
		out := replay(t, w.options, source{0: disordered(t, w.records, 110*time.Second)})
		if got := out.verdicts(); !slices.Equal(got, want) {
			t.Errorf("another order differs:\n%s", difference(want, got))
		}
		if out.summary.Late != 0 || out.summary.Counted != w.truth.Rows {
			t.Errorf("%d of %d rows counted, %d late", out.summary.Counted, w.truth.Rows, out.summary.Late)
		}
	})
}

// disordered delays each record by up to most of event time, and numbers them anew.
func disordered(t *testing.T, records []detector.Record, most time.Duration) []detector.Record {
	t.Helper()
	d, err := event.NewDecoder("native")
	if err != nil {
		t.Fatal(err)
	}
	type arrival struct {
		at int64
		r  detector.Record
	}
	rng := rand.New(rand.NewPCG(7, 7))
	rows := make([]arrival, len(records))
	var e event.Event
	for i, r := range records {
		if err := d.Decode(r.Value, &e); err != nil {
			t.Fatal(err)
		}
		rows[i] = arrival{e.Time + rng.Int64N(int64(most)), r}
	}
	slices.SortStableFunc(rows, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	out := make([]detector.Record, len(rows))
	for i, r := range rows {
		out[i] = detector.Record{Offset: int64(i), Value: r.r.Value}
	}
	return out
}

// failing refuses what it is told from the nth time on.
type failing struct {
	sink
	alertErr, deadErr error
}

func (f *failing) Alert(ctx context.Context, r incident.Record) error {
	if f.alertErr != nil {
		return f.alertErr
	}
	return f.sink.Alert(ctx, r)
}

func (f *failing) DeadLetter(ctx context.Context, d detector.DeadLetter) error {
	if f.deadErr != nil {
		return f.deadErr
	}
	return f.sink.DeadLetter(ctx, d)
}

// An alert or dead letter that cannot be written stops the engine with that error, from Feed or Finish, and nothing is said
// after it.
func TestOutputErrorStopsTheEngine(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	broken := errors.New("the disk is full")
	w := world(t, "duplicates")
	for name, c := range map[string]struct {
		out  *failing
		rows []detector.Record
	}{
		"alert":       {&failing{alertErr: broken}, w.records},
		"dead letter": {&failing{deadErr: broken}, slices.Concat(w.records[:1000], []detector.Record{{Offset: 1000, Value: "{"}})},
	} {
		t.Run(name, func(t *testing.T) {
			eng, err := detector.New(w.options, c.out, source{0: c.rows})
			if err != nil {
				t.Fatal(err)
			}
			defer eng.Close()
			if err := eng.Assign(0); err != nil {
				t.Fatal(err)
			}
			for part := range slices.Chunk(c.rows, 4096) {
				if err = eng.Feed(context.Background(), 0, part); err != nil {
					break
				}
			}
			if err == nil {
				_, err = eng.Finish(context.Background())
			}
			if !errors.Is(err, broken) || !strings.Contains(err.Error(), "write "+name) {
				t.Fatalf("the engine stopped with %v", err)
			}
			if err := eng.Feed(context.Background(), 0, c.rows[:1]); !errors.Is(err, broken) {
				t.Errorf("fed after it stopped: %v", err)
			}
			if len(c.out.alerts) != 0 {
				t.Errorf("%d alerts after the engine stopped", len(c.out.alerts))
			}
		})
	}
}

func start(t *testing.T, o detector.Options, out detector.Output, partitions ...int32) *detector.Engine {
	t.Helper()
	eng, err := detector.New(o, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := eng.Assign(partitions...); err != nil {
		t.Fatal(err)
	}
	return eng
}

// Close stops an engine in the middle of its work, twice if need be, and leaves no goroutine; then nothing is taken any more.
func TestCloseLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rows := world(t, "duplicates").records[:20_000]
	for _, feed := range []int{0, 1, len(rows)} {
		eng := start(t, detector.Options{}, &sink{}, 0, 1, 2)
		if feed > 0 {
			if err := eng.Feed(context.Background(), 0, rows[:feed]); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := eng.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := eng.Feed(context.Background(), 0, rows); err == nil {
			t.Error("rows were taken after Close")
		}
		if _, err := eng.Finish(context.Background()); err == nil {
			t.Error("a closed engine finished")
		}
	}
}

// A cancelled feeder gets its own reason back, and the engine goes on for the others.
func TestFeedAfterCancel(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rows := world(t, "duplicates").records[:20_000]
	eng := start(t, detector.Options{}, &sink{}, 0)
	defer eng.Close()
	why := errors.New("the group was rebalanced")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	var err error
	for range 100 { // the engine may take some before it notices
		if err = eng.Feed(ctx, 0, rows); err != nil {
			break
		}
	}
	if !errors.Is(err, why) {
		t.Fatalf("fed after cancel: %v", err)
	}
	if err := eng.Feed(context.Background(), 0, rows[:10]); err != nil {
		t.Errorf("fed by another: %v", err)
	}
	if _, err := eng.Finish(context.Background()); err != nil {
		t.Errorf("finish: %v", err)
	}
}

// Misuse is refused in a line that says what to do.
func TestMisuse(t *testing.T) {
	eng, err := detector.New(detector.Options{}, &sink{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	row := []detector.Record{{Value: "{}"}}
	refused := func(what, want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	refused("feed before assign", "no partition is assigned", eng.Feed(context.Background(), 0, row))
	if err := eng.Assign(0); err != nil {
		t.Fatal(err)
	}
	refused("feed a partition that was not assigned", "partition 7: it was not assigned", eng.Feed(context.Background(), 7, row))
	refused("assign after feed", "before the first row", eng.Assign(1))
	_, err = detector.New(detector.Options{Lateness: -time.Second, Workers: -1, Format: "native"}, &sink{}, nil)
	if err == nil || !strings.Contains(err.Error(), "lateness") || !strings.Contains(err.Error(), "workers") {
		t.Errorf("impossible settings: %v", err)
	}
	_, err = detector.New(detector.Options{Format: "csv"}, &sink{}, nil)
	refused("an unknown format", "csv", err)
}

// Every record ends up in exactly one count: counted, redelivered, in conflict, late, ahead, or dead by reason.
func TestEveryRecordIsCountedOnce(t *testing.T) {
	at := time.Date(2026, 6, 18, 12, 0, 0, 0, time.UTC)
	row := func(id string, sec int, more string) string {
		return fmt.Sprintf(`{"id":%q,"user":"u","time":%q,"credits":1%s}`, id, at.Add(time.Duration(sec)*time.Second).Format(time.RFC3339), more)
	}
	var lines []string
	for i := range 300 {
		lines = append(lines, row(fmt.Sprint("r", i), i, ""))
	}
	lines = append(lines,
		row("r7", 7, ""),                              // the same again: a redelivery
		row("r8", 8, `,"output_tokens":5`),            // the same id with other content
		row("r290", 290, ""),                          // a redelivery that is not late
		row("old", -3600, ""),                         // beyond the lateness
		row("far", 40*365*24*3600, ""),                // from another age
		`{`,                                           // no JSON
		`{"user":"u","time":0,"credits":1}`,           // no id
		row("neg", 300, `,"credits":-1`),              // duplicate key, and negative besides
		`{"id":"n","user":"u","time":1,"credits":-1}`, // negative usage
		`{"id":"n","time":1,"credits":1}`,             // no user
	)
	records := make([]detector.Record, len(lines))
	for i, l := range lines {
		records[i] = detector.Record{Offset: int64(i), Value: l}
	}
	out := replay(t, detector.Options{}, source{0: records})
	s := out.summary
	dead := int64(0)
	reasons := map[string]int64{}
	for _, d := range out.dead {
		reasons[d.Reason]++
		dead++
		if d.Detail == "" || d.Value != lines[d.Offset] {
			t.Errorf("dead letter %+v", d)
		}
	}
	if !maps.Equal(reasons, s.DeadLetters) || s.DeadLetters["time_ahead"] != s.TimeAhead {
		t.Errorf("dead letters %v, the summary says %v and %d ahead", reasons, s.DeadLetters, s.TimeAhead)
	}
	if s.Rows != int64(len(lines)) || s.Counted != 300 || s.Duplicates != 3 || s.Conflicts != 1 || s.Late != 1 || s.TimeAhead != 1 || dead != 6 {
		t.Errorf("%+v", s)
	}
	if s.Counted+s.Duplicates+s.Late+dead != s.Rows {
		t.Errorf("%d counted, %d duplicates, %d late, %d dead are not %d rows", s.Counted, s.Duplicates, s.Late, dead, s.Rows)
	}
	if s.Users != 1 || s.FirstAt == nil || !s.FirstAt.Equal(at) || !s.LastAt.Equal(at.Add(299*time.Second)) {
		t.Errorf("%d users from %v to %v", s.Users, s.FirstAt, s.LastAt)
	}
}

// Revisions of an incident count up from one, identity and first decision stay, and severity does not fall while it fires.
func TestRevisionsCountUp(t *testing.T) {
	rank := []incident.Severity{incident.Info, incident.Ticket, incident.Page}
	eachTravelled(t, func(t *testing.T, w *traffic) {
		last := map[string]incident.Record{}
		for _, r := range w.outcome(t).alerts {
			was, known := last[r.Incident]
			if r.Revision != was.Revision+1 {
				t.Errorf("%s: revision %d after %d", r.Incident, r.Revision, was.Revision)
			}
			if known && (!r.DetectedAt.Equal(was.DetectedAt) || r.UpdatedAt.Before(was.UpdatedAt)) {
				t.Errorf("%s revision %d: detected at %v, then %v", r.Incident, r.Revision, was.DetectedAt, r.DetectedAt)
			}
			if known && was.Status == incident.Firing && slices.Index(rank, r.Severity) < slices.Index(rank, was.Severity) {
				t.Errorf("%s revision %d: severity fell from %s to %s", r.Incident, r.Revision, was.Severity, r.Severity)
			}
			if (r.EndedAt == nil) != (r.Status == incident.Firing) {
				t.Errorf("%s revision %d: %s, ended at %v", r.Incident, r.Revision, r.Status, r.EndedAt)
			}
			product := 1.0
			for _, f := range r.Factors {
				product *= f
			}
			if r.Ratio != nil && len(r.Factors) > 0 && !(product > *r.Ratio*0.99 && product < *r.Ratio*1.01) {
				t.Errorf("%s revision %d: ratio %v, but the factors' product is %v", r.Incident, r.Revision, *r.Ratio, product)
			}
			last[r.Incident] = r
		}
	})
}

// An empty input is no error.
func TestNothingToRead(t *testing.T) {
	out := replay(t, detector.Options{}, source{0: nil})
	if out.summary.Rows != 0 || len(out.alerts)+len(out.dead)+len(out.ledger) != 0 || out.summary.FirstAt != nil {
		t.Errorf("%+v", out.summary)
	}
}

// BenchmarkReplay is the speed figure of the project: a week of 3,000 users, with everything on, from text to the ledger.
func BenchmarkReplay(b *testing.B) {
	w := world(b, "price-cohort")
	size := int64(0)
	for _, r := range w.records {
		size += int64(len(r.Value)) + 1
	}
	b.SetBytes(size)
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		out := replay(b, w.options, source{0: w.records})
		if len(out.final()) == 0 {
			b.Fatal("nothing was found")
		}
		rows += len(w.records)
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// A partition that has never had a row holds nobody up once it is known to be idle.
func TestEmptyPartitionHoldsNobodyUp(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	w := world(t, "duplicates")
	eng, err := detector.New(w.options, &outcome{}, source{0: w.records})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	if err := eng.Assign(0, 1); err != nil {
		t.Fatal(err)
	}
	if err := eng.Feed(t.Context(), 0, w.records); err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		if err := eng.Idle(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := eng.Book(t.Context(), false); err != nil { // waits for all that was fed
		t.Fatal(err)
	}
	if s := eng.Snapshot(); len(s.Open)+len(s.Resolved) == 0 {
		t.Error("nothing was decided")
	}
}
