package warroom

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/fixtures"
)

// small is a day and a half of 800 users with a price jump, as the engine reads it.
type small struct {
	engine  *detector.Engine
	board   *Board
	records map[int32][]detector.Record
}

// Alert implements detector.Output.
func (w *small) Alert(_ context.Context, r incident.Record) error { w.board.Add(r); return nil }

// DeadLetter implements detector.Output.
func (w *small) DeadLetter(context.Context, detector.DeadLetter) error { return nil }

// Read implements detector.History.
func (w *small) Read(_ context.Context, partition int32, from, to int64, fn func(detector.Record) error) error {
	for _, r := range w.records[partition] {
		if r.Offset >= from && r.Offset < to {
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

const partitions = 2

// world reads the rows once for all tests, and leaves the engine running.
var world = sync.OnceValue(func() *small {
	w := &small{board: &Board{}, records: map[int32][]detector.Record{}}
	story, err := fixtures.Load(filepath.Join("..", "..", "cmd", "drainwatch", "testdata", "scenarios", "small.yaml"))
	if err != nil {
		panic(err)
	}
	_, err = story.Generate(1, func(e *event.Event) error {
		h := fnv.New32a()
		h.Write([]byte(e.User))
		p := int32(h.Sum32() % partitions)
		w.records[p] = append(w.records[p], detector.Record{Partition: p, Offset: int64(len(w.records[p])), Value: string(e.AppendJSON(nil))})
		return nil
	})
	if err != nil {
		panic(err)
	}
	plan := detector.Plan{FiveHour: 40 * event.Credit, Weekly: 300 * event.Credit}
	w.engine, err = detector.New(detector.Options{Answers: true, Log: zerolog.Nop(), Plans: map[string]detector.Plan{"pro": plan, "free": plan}, LinkBase: "http://127.0.0.1:8080"}, w, w)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	must(w.engine.Assign(0, 1))
	var feeding sync.WaitGroup
	for p := range int32(partitions) {
		feeding.Go(func() {
			must(w.engine.Feed(ctx, p, append([]detector.Record(nil), w.records[p]...)))
			must(w.engine.Idle(p))
		})
	}
	feeding.Wait()
	must(w.engine.Book(ctx, false))
	return w
})

// rich is an incident whose record has every field that a record can have.
func rich() incident.Record {
	at := time.Date(2026, 6, 25, 14, 30, 0, 0, time.UTC)
	into := "inc_ffffffffff"
	one := 1.0
	return incident.Record{
		V: 1, Incident: "inc_0000000001", Revision: 1, Status: incident.Resolved, Class: "metering_bug", Cause: "price", Severity: incident.Ticket, Confidence: .9,
		Scope:     incident.Scope{Kind: "users", Users: []string{"u1", hostile}, User: "", LinkedBy: "device"},
		StartedAt: at, DetectedAt: at.Add(time.Minute), UpdatedAt: at.Add(time.Hour), EndedAt: &at, Ratio: &one, Factors: map[string]float64{"price": 1, "tokens": 3},
		Usual: map[string]float64{"price": 1.01, "tokens": 1.5}, Explained: map[string]string{"tokens": "inc_0000000003"},
		MergedInto: &into, Runbook: "https://runbooks.example.org/x", Links: map[string]string{"incident": "http://127.0.0.1:8080/incidents/inc_0000000001"},
		Evidence: []incident.Evidence{{Code: "known_identity", Text: hostile, Against: true}, {Code: "charged", Text: "x", Observed: &one, Expected: &one}},
		Title:    "Metering bug: " + hostile, Summary: hostile,
	}
}

const hostile = "\x1b[2J<script>alert(1)</script>\u202e=cmd|x"

// server returns a server over the world, with incidents of its own and an empty journal.
func server(t testing.TB, change ...func(*Options)) *Server {
	t.Helper()
	w := world()
	board := &Board{}
	for _, e := range w.board.order {
		board.Add(e.latest)
	}
	user := rich()
	user.Incident, user.Scope, user.MergedInto = "inc_0000000002", incident.Scope{Kind: "user", User: someUser(t)}, nil
	user.Status, user.EndedAt, user.Class, user.Cause, user.Ratio, user.Factors = incident.Firing, nil, "abuse", "stolen_key", nil, nil
	board.Add(rich())
	board.Add(user)
	o := Options{Engine: func() *detector.Engine { return w.engine }, Board: board, Journal: NewJournal(nil), ConfigVersion: "c-1", Thresholds: Thresholds{
		Severity: detector.SeverityRules{PageFactor: 1.5, MinUsers: 5, MaterialCredits: 10_000 * event.Credit}, Rules: detector.DefaultThresholds(),
	}}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// owed is the incident that the rows hold, and someUser somebody whom it hits.
func owed(t testing.TB) incident.Record {
	t.Helper()
	for _, e := range world().board.order {
		if e.latest.Class == "metering_bug" {
			return e.latest
		}
	}
	t.Fatal("the price jump was not found")
	return incident.Record{}
}

func someUser(t testing.TB) string {
	t.Helper()
	id := owed(t).Incident
	for _, r := range world().engine.Ledger() {
		if r.Incident == id {
			return r.User
		}
	}
	t.Fatal("nobody is owed anything")
	return ""
}

// ask sends a request and returns the answer.
func ask(s http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func decode[T any](t testing.TB, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

func decodeFor[T any](t interface{ Fatalf(string, ...any) }, raw []byte) (v T) {
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return v
}

func record(s http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}
