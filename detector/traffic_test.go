package detector_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/fixtures"
)

// traffic is a generated world in memory: all rows of one file, in the order of arrival.
type traffic struct {
	options detector.Options
	truth   *fixtures.Truth
	records []detector.Record

	whole sync.Once
	said  *outcome // what it comes to in one partition, in order
}

// worlds caches what several tests replay, by name, so that each is made once a test binary: functions that return it.
var worlds sync.Map

// world returns the traffic of a built-in scenario with seed 1, shared: it must not be changed.
func world(tb testing.TB, name string) *traffic {
	tb.Helper()
	made, _ := worlds.LoadOrStore(name, sync.OnceValues(func() (*traffic, error) {
		s := load(tb, name)
		w := &traffic{options: optionsOf(s)}
		var err error
		w.truth, err = render(s, 1, func(rows []detector.Record) error {
			w.records = append(w.records, rows...)
			return nil
		})
		return w, err
	}))
	w, err := made.(func() (*traffic, error))()
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// outcome returns what the world comes to in one partition, in order.
func (w *traffic) outcome(t *testing.T) *outcome {
	w.whole.Do(func() { w.said = replay(t, w.options, source{0: w.records}) })
	return w.said
}

func load(tb testing.TB, name string) *fixtures.Scenario {
	tb.Helper()
	s, err := fixtures.Load(name)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// generator is what makes rows: a scenario, or the public traces.
type generator interface {
	Generate(seed uint64, emit func(*event.Event) error) (*fixtures.Truth, error)
}

// render generates rows and gives them to take as the records of partition 0, some hundreds at a time. Rows of one call share
// one string, as the lines of a file do.
func render(g generator, seed uint64, take func([]detector.Record) error) (*fixtures.Truth, error) {
	const most = 512
	var text []byte
	var ends []int
	var offset int64
	flush := func() error {
		lines, at := string(text), 0
		rows := make([]detector.Record, len(ends))
		for i, end := range ends {
			rows[i] = detector.Record{Offset: offset, Value: lines[at:end]}
			at, offset = end, offset+1
		}
		text, ends = text[:0], ends[:0]
		return take(rows)
	}
	truth, err := g.Generate(seed, func(e *event.Event) error {
		text = e.AppendJSON(text)
		ends = append(ends, len(text))
		if len(ends) < most {
			return nil
		}
		return flush()
	})
	if err != nil {
		return nil, err
	}
	return truth, flush()
}

// optionsOf translates what a scenario tells the detector.
func optionsOf(s *fixtures.Scenario) detector.Options {
	o := detector.Options{Plans: map[string]detector.Plan{}, ConfigVersion: "c-test", ProgramVersion: "test"}
	if s.Prices == "given" {
		for _, c := range s.RateCard {
			if c.Declared == "calendar" {
				continue
			}
			o.RateCard = append(o.RateCard, price.Entry{
				Model: c.Model, Where: dims(c.Where), From: c.From.Time(), Input: event.Credits(c.Input), Cached: event.Credits(c.Cached),
				CacheWrite: event.Credits(c.CacheWrite), Output: event.Credits(c.Output), Round: event.Credits(c.Round),
			})
		}
	}
	for name, p := range s.Plans {
		o.Plans[name] = detector.Plan{
			FiveHour: event.Credits(p.FiveHour), Weekly: event.Credits(p.Weekly),
			Pools: map[string]event.Credits{"supplementary": event.Credits(p.Supplementary)},
		}
	}
	for _, c := range s.Calendar {
		o.Calendar = append(o.Calendar, detector.Planned{From: c.From.Time(), To: c.To.Time(), What: c.What, Where: dims(c.Where), Expect: c.Expect})
	}
	return o
}

func dims(where map[string]string) map[event.Dim]string {
	out := map[event.Dim]string{}
	for name, value := range where {
		if d, ok := event.ParseDim(name); ok {
			out[d] = value
		}
	}
	return out
}

// source keeps records in memory, by partition. It is filled by one goroutine and read once the engine finishes.
type source map[int32][]detector.Record

// Read implements detector.History.
func (s source) Read(ctx context.Context, partition int32, from, to int64, fn func(detector.Record) error) error {
	rows := s[partition]
	i, _ := slices.BinarySearchFunc(rows, from, func(r detector.Record, offset int64) int { return cmp.Compare(r.Offset, offset) })
	for ; i < len(rows) && rows[i].Offset < to; i++ {
		if err := fn(rows[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// split deals records over partitions by a hash of their user and numbers them anew.
func split(tb testing.TB, records []detector.Record, partitions int32) source {
	tb.Helper()
	d, err := event.NewDecoder("native")
	if err != nil {
		tb.Fatal(err)
	}
	s := source{}
	var e event.Event
	for _, r := range records {
		if err := d.Decode(r.Value, &e); err != nil {
			tb.Fatal(err)
		}
		p := int32(xxhash.Sum64String(e.User) % uint64(partitions))
		s[p] = append(s[p], detector.Record{Partition: p, Offset: int64(len(s[p])), Value: r.Value})
	}
	return s
}

// sink remembers what an engine says.
type sink struct {
	alerts []incident.Record
	dead   []detector.DeadLetter
}

// Alert implements detector.Output.
func (s *sink) Alert(_ context.Context, r incident.Record) error {
	s.alerts = append(s.alerts, r)
	return nil
}

// DeadLetter implements detector.Output.
func (s *sink) DeadLetter(_ context.Context, d detector.DeadLetter) error {
	s.dead = append(s.dead, d)
	return nil
}

// final returns the last revision of every incident that was not merged into another, by id.
func (s *sink) final() []incident.Record {
	last := map[string]incident.Record{}
	for _, r := range s.alerts {
		if r.Revision > last[r.Incident].Revision {
			last[r.Incident] = r
		}
	}
	var out []incident.Record
	for _, r := range last {
		if r.MergedInto == nil {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b incident.Record) int { return cmp.Compare(a.Incident, b.Incident) })
	return out
}

// outcome is all that an engine made of an input.
type outcome struct {
	sink
	ledger  []ledger.Row
	summary detector.Summary
}

// replay feeds every partition from its own goroutine, as Kafka would, and finishes.
func replay(tb testing.TB, o detector.Options, in source) *outcome {
	tb.Helper()
	out := &outcome{}
	eng, err := detector.New(o, out, in)
	if err != nil {
		tb.Fatal(err)
	}
	defer eng.Close()
	for p := range in {
		if err := eng.Assign(p); err != nil {
			tb.Fatal(err)
		}
	}
	var feeders sync.WaitGroup
	for p, rows := range in {
		feeders.Go(func() {
			for part := range slices.Chunk(rows, 4096) {
				if err := eng.Feed(context.Background(), p, part); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	feeders.Wait()
	out.finish(tb, eng)
	return out
}

func (o *outcome) finish(tb testing.TB, eng *detector.Engine) {
	tb.Helper()
	var err error
	if o.summary, err = eng.Finish(context.Background()); err != nil {
		tb.Fatal(err)
	}
	o.ledger = eng.Ledger()
}

// scopeText prints a scope on one line, the same for equal scopes. What ties users to each other is evidence, not scope.
func scopeText(s incident.Scope) string {
	switch s.Kind {
	case "user":
		return "user " + s.User
	case "users":
		return "users " + strings.Join(slices.Sorted(slices.Values(s.Users)), " ")
	}
	return "cohort " + fmt.Sprint(s.Where) // maps print in the order of their keys
}

func kindText(r incident.Record) string {
	return r.Class + "/" + r.Cause + " " + scopeText(r.Scope)
}
