package warroom

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// What other sites make a browser send is refused, and what people send is not.
func TestGuard(t *testing.T) {
	s := server(t, func(o *Options) { o.Hosts = []string{"war-room.example.org"} })
	note := "/api/v1/incidents/inc_0000000001/note"
	const body = `{"text":"x"}`
	for _, c := range []struct {
		why, method, target, body string
		headers                   []string
		status                    int
	}{
		{"an address", "GET", "/", "", []string{"Host", "127.0.0.1:8080"}, 200},
		{"an address of six", "GET", "/", "", []string{"Host", "[::1]:8080"}, 200},
		{"localhost", "GET", "/", "", []string{"Host", "LOCALHOST:9"}, 200},
		{"the configured name", "GET", "/", "", []string{"Host", "war-room.example.org"}, 200},
		{"a name that was rebound", "GET", "/", "", []string{"Host", "evil.example:8080"}, 421},
		{"a name that begins alike", "GET", "/api/v1/incidents", "", []string{"Host", "localhost.evil.example"}, 421},
		{"no host", "GET", "/", "", []string{"Host", ""}, 421},
		{"JSON", "POST", note, body, nil, 200},
		{"JSON of the page itself", "POST", note, body, []string{"Origin", "http://127.0.0.1:8080"}, 200},
		{"JSON of another site", "POST", note, body, []string{"Origin", "http://evil.example"}, 403},
		{"JSON of a sandbox", "POST", note, body, []string{"Origin", "null"}, 403},
		{"a form", "POST", note, "text=x", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"a form in disguise", "POST", note, body, []string{"Content-Type", "text/plain;application/json"}, 415},
		{"another method", "DELETE", note, "", nil, 405},
		{"another path", "GET", "/api/v2/incidents", "", nil, 404},
		{"a long query", "GET", "/api/v1/cohorts?where=" + strings.Repeat("x", maxQuery), "", nil, 414},
		{"a broken query", "GET", "/api/v1/cohorts?by=%zz", "", nil, 400},
	} {
		w := ask(s, c.method, c.target, c.body, c.headers...)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.why, w.Code, c.status, w.Body)
		}
		if c.status >= 400 {
			if p := decode[problem](t, w); p.Status != c.status || p.Detail == "" || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: no problem document: %s", c.why, w.Body)
			}
		}
		if h := w.Header(); h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: headers %v", c.why, h)
		}
	}
	if w := ask(s, "DELETE", note, ""); w.Header().Get("Allow") != "POST" {
		t.Errorf("Allow: %q", w.Header().Get("Allow"))
	}
}

// While as many requests are answered as may be, others are refused at once and counted; POST is not among them.
func TestShedding(t *testing.T) {
	s := server(t, func(o *Options) { o.AtOnce, o.Registerer = 1, prometheus.NewRegistry() })
	s.slots <- struct{}{} // one is being answered
	w := ask(s, "GET", "/api/v1/incidents", "")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, %v", w.Code, w.Header())
	}
	if w := ask(s, "POST", "/api/v1/incidents/inc_0000000001/ack", "{}"); w.Code != http.StatusOK {
		t.Errorf("an acknowledgement was refused: %d", w.Code)
	}
	<-s.slots
	if w := ask(s, "GET", "/api/v1/incidents", ""); w.Code != http.StatusOK {
		t.Errorf("status %d afterwards", w.Code)
	}
}

// Before there is an engine nothing is invented.
func TestWhileStarting(t *testing.T) {
	s := server(t, func(o *Options) {
		o.Engine, o.Ready = func() *detector.Engine { return nil }, func() error { return fmt.Errorf("catching up <b>") }
	})
	for _, target := range []string{"/api/v1/cohorts", "/api/v1/users/u"} {
		if w := ask(s, "GET", target, ""); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	page := ask(s, "GET", "/", "").Body.String()
	if !strings.Contains(page, "catching up &lt;b&gt;") || strings.Contains(page, "Nothing fires.") {
		t.Errorf("the page does not say that it is blind: %s", page)
	}
}

// Names that others chose are text on every page, and the pages load nothing.
func TestPagesAreInert(t *testing.T) {
	s := server(t)
	ask(s, "POST", "/api/v1/incidents/inc_0000000001/note", `{"text":"<img src=x>\u001b[31m","by":"<i>"}`)
	for _, target := range []string{"/", "/incidents/inc_0000000001", "/incidents/" + owed(t).Incident} {
		page := ask(s, "GET", target, "").Body.String()
		for _, bad := range []string{"<script", "<img", "<i>", "\x1b", "\u202e", "http://", "https://", "//"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s holds %q", target, bad)
			}
		}
	}
}

// Pages neither skip nor repeat an incident that was there all along, while others come and change.
func TestPagingIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &Board{}
		s, err := New(Options{Engine: func() *detector.Engine { return nil }, Board: b, Journal: &Journal{by: map[string]*remarks{}}})
		if err != nil {
			t.Fatal(err)
		}
		base := time.Date(2026, 6, 25, 14, 0, 0, 0, time.UTC)
		made := 0
		add := func() {
			at := base.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "minute")+made/3) * time.Minute) // several at one moment
			b.Add(incident.Record{V: 1, Incident: fmt.Sprintf("inc_%03d", made), Revision: 1, Status: incident.Firing, DetectedAt: at, StartedAt: at})
			made++
		}
		for range rapid.IntRange(1, 30).Draw(t, "incidents") {
			add()
		}
		there := made
		var got []string
		cursor := ""
		for {
			w := ask(s, "GET", fmt.Sprintf("/api/v1/incidents?limit=%d%s", rapid.IntRange(1, 7).Draw(t, "limit"), cursor), "")
			var page incidentList
			if w.Code != 200 {
				t.Fatal(w.Body)
			}
			page = decodeFor[incidentList](t, w.Body.Bytes())
			for _, i := range page.Incidents {
				got = append(got, i.Incident)
			}
			if page.NextCursor == nil {
				break
			}
			cursor = "&cursor=" + *page.NextCursor
			if rapid.Bool().Draw(t, "more") {
				add()
			}
			e, _ := b.one(got[0])
			e.latest.Revision++
			e.latest.StartedAt = e.latest.StartedAt.Add(-time.Hour)
			b.Add(e.latest)
		}
		for k := range there {
			if n := len(slices.DeleteFunc(slices.Clone(got), func(id string) bool { return id != fmt.Sprintf("inc_%03d", k) })); n != 1 {
				t.Fatalf("inc_%03d came %d times in %v", k, n, got)
			}
		}
	})
}

func TestBoardIsBounded(t *testing.T) {
	b := &Board{}
	at := time.Date(2026, 6, 25, 14, 0, 0, 0, time.UTC)
	for i := range maxIncidents + 50 {
		status := incident.Resolved
		if i < 10 {
			status = incident.Firing
		}
		b.Add(incident.Record{V: 1, Incident: fmt.Sprint(i), Revision: 1, Status: status, DetectedAt: at.Add(time.Duration(i) * time.Second)})
	}
	_, oldest := b.one("0")
	_, resolved := b.one("10")
	if len(b.order) != maxIncidents || len(b.by) != maxIncidents || !oldest || resolved {
		t.Errorf("%d incidents, the oldest firing one is there: %v, the oldest resolved one: %v", len(b.order), oldest, resolved)
	}
	for i := range maxChanges + 50 {
		b.Add(incident.Record{V: 1, Incident: "0", Revision: i + 2})
	}
	if e, _ := b.one("0"); len(e.changes) != maxChanges || e.changes[0].Revision != 1 || e.latest.Revision != maxChanges+51 {
		t.Errorf("%d changes", len(e.changes))
	}
}

// What cohorts come to is what the rows come to: read again by another way.
func TestCohortsAddUpToTheRows(t *testing.T) {
	s := server(t)
	a := decode[cohortAnswer](t, ask(s, "GET", "/api/v1/cohorts?by=plan,region&step=1h&limit=100", ""))
	rows, money := map[string]int64{}, map[string]event.Sum{}
	d, err := event.NewDecoder("native")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for p := range int32(partitions) {
		for _, r := range world().records[p] {
			var e event.Event
			if err := d.Decode(r.Value, &e); err != nil {
				t.Fatal(err)
			}
			at := time.Unix(0, e.Time).UTC()
			if at.Before(a.From) || !at.Before(a.To) || seen[e.User+e.ID] {
				continue
			}
			seen[e.User+e.ID] = true
			key := e.Dims[event.Plan] + " " + e.Dims[event.Region]
			if e.Kind == event.Usage {
				rows[key]++
			}
			if e.Kind == event.Usage || e.Kind == event.Penalty {
				m := money[key]
				m.Add(e.Credits)
				money[key] = m
			}
		}
	}
	for _, c := range a.Cohorts {
		key := c.Where["plan"] + " " + c.Where["region"]
		steps := int64(0)
		for _, n := range c.Counts {
			steps += n
		}
		if c.Rows != rows[key] || c.Credits != money[key] || steps != c.Rows || len(c.Values) != len(a.Times) || math.Abs(*c.Total-c.Credits.Float64()) > 1e-6 {
			t.Errorf("%s: %d rows and %v credits, want %d and %v", key, c.Rows, c.Credits, rows[key], money[key])
		}
		delete(rows, key)
	}
	if len(rows) > 0 || len(a.Cohorts) < 4 {
		t.Errorf("left out: %v", rows)
	}
}

// A user's answer is the shard's, while rows are read and after the engine has stopped.
func TestUser(t *testing.T) {
	s := server(t)
	name := someUser(t)
	a := decode[userAnswer](t, ask(s, "GET", "/api/v1/users/"+url.PathEscape(name), ""))
	if a.User != name || a.FirstAt == nil || a.Baseline.Active == 0 || a.Usage.Week.Rows == 0 || a.Cohort["plan"] != "pro" || len(a.Identities) != 4 || len(a.Windows) == 0 {
		t.Errorf("%+v", a)
	}
	owedTo := slices.IndexFunc(a.Incidents, func(i userIncident) bool { return i.Incident == owed(t).Incident && i.Overcharge != nil })
	named := slices.IndexFunc(a.Incidents, func(i userIncident) bool { return i.Incident == "inc_0000000002" })
	if owedTo < 0 || named < 0 {
		t.Errorf("incidents %+v", a.Incidents)
	}
}

func TestQuestionsDoNotHoldUpEachOther(t *testing.T) {
	s := server(t, func(o *Options) { o.AtOnce = 64 })
	name := someUser(t)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 20 {
				if w := ask(s, "GET", "/api/v1/users/"+url.PathEscape(name), ""); w.Code != 200 {
					t.Errorf("status %d", w.Code)
				}
				if w := ask(s, "GET", "/api/v1/cohorts?by=plan", ""); w.Code != 200 {
					t.Errorf("status %d", w.Code)
				}
			}
		})
	}
	asking.Wait()
}

// Whatever is sent, the answer is JSON, text or a page as described, and never a fault of the program.
func FuzzRequests(f *testing.F) {
	s := server(f)
	targets := []string{
		"/api/v1/incidents", "/api/v1/incidents/{}", "/api/v1/incidents/{}/users", "/api/v1/incidents/{}/ledger.csv", "/api/v1/cohorts", "/api/v1/users/{}",
		"/api/v1/thresholds", "/", "/incidents/{}", "/api/v1/incidents/{}/ack", "/api/v1/incidents/{}/label", "/api/v1/incidents/{}/note",
	}
	id := owed(f).Incident
	for i := range targets {
		f.Add(uint8(i), id, "limit=2&cursor=aW5jAA&from=-6h&to=2026-06-25T15:00:00Z&status=firing&class=abuse", `{"text":"x","by":"y"}`)
		f.Add(uint8(i), id, "by=plan,model&where=plan=pro&step=5m&measure=price&from=1970-01-01T00:00:00Z&limit=-1", `{"class":"abuse","cause":"farming"}`)
		f.Add(uint8(i), "..%2f\x00\xff", "from=9999-12-31T23:59:59Z&step=1ns&x=%00&where=plan&measure=bogus", `{"by":1}`)
		f.Add(uint8(i), someUser(f), "from=-9e999h&to=-0s&step=24h&limit=99999999999999999999&cursor=////", `[[[[`)
	}
	doc := readSpec(f)
	f.Fuzz(func(t *testing.T, which uint8, name, query, body string) {
		target := targets[int(which)%len(targets)]
		u := &url.URL{Path: strings.Replace(target, "{}", name, 1), RawPath: strings.Replace(target, "{}", url.PathEscape(name), 1), RawQuery: query}
		method := http.MethodGet
		if strings.HasSuffix(target, "/ack") || strings.HasSuffix(target, "/label") || strings.HasSuffix(target, "/note") {
			method = http.MethodPost
		}
		r, err := http.NewRequest(method, "http://127.0.0.1/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL, r.Host = u, "127.0.0.1"
		r.Header.Set("Content-Type", "application/json")
		w := record(s, r)
		if w.Code >= 500 && w.Code != 507 {
			t.Fatalf("%s %s: status %d: %s", method, u, w.Code, w.Body)
		}
		if !utf8.Valid(w.Body.Bytes()) && !strings.HasSuffix(target, ".csv") {
			t.Fatalf("%s: not UTF-8", u)
		}
		if w.Header().Get("Content-Type") == "application/problem+json" {
			if fault := doc.check(map[string]any{"$ref": "#/Problem"}, decode[any](t, w), ""); fault != "" {
				t.Fatal(fault)
			}
		}
	})
}

// BenchmarkWidestCohorts is what a screen may ask for at most: 2,000 leaves are in BenchmarkRollupAsk of the detector.
func BenchmarkWidestCohorts(b *testing.B) {
	s := server(b)
	b.ReportAllocs()
	for b.Loop() {
		if w := ask(s, "GET", "/api/v1/cohorts?by=plan,model,client,client_version,region&step=5m&limit=100", ""); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
