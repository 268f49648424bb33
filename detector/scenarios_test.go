package detector_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/fixtures"
)

// stream replays rows as they are generated, so that both cores have work, and keeps them for booking.
func stream(tb testing.TB, o detector.Options, g generator) (*outcome, *fixtures.Truth) {
	tb.Helper()
	out, kept := &outcome{}, source{}
	eng, err := detector.New(o, out, kept)
	if err != nil {
		tb.Fatal(err)
	}
	defer eng.Close()
	if err := eng.Assign(0); err != nil {
		tb.Fatal(err)
	}
	truth, err := render(g, 1, func(rows []detector.Record) error {
		kept[0] = append(kept[0], rows...)
		return eng.Feed(context.Background(), 0, rows)
	})
	if err != nil {
		tb.Fatal(err)
	}
	out.finish(tb, eng)
	return out, truth
}

// played is what a scenario comes to.
type played struct {
	*outcome
	truth    *fixtures.Truth
	registry *prometheus.Registry
}

// shared are the scenarios of which several tests look at what they come to, and plays holds that, by name: functions that return it.
var (
	shared = []string{"gauge-fast", "gauge-stuck", "penalties"}
	plays  sync.Map
)

// play returns what a scenario comes to with seed 1, played once: it must not be changed.
func play(t *testing.T, name string) *played {
	t.Helper()
	once, _ := plays.LoadOrStore(name, sync.OnceValue(func() *played {
		s, p := load(t, name), &played{registry: prometheus.NewRegistry()}
		o := optionsOf(s)
		o.Registerer = p.registry
		p.outcome, p.truth = stream(t, o, s)
		return p
	}))
	return once.(func() *played)()
}

// quick are the scenarios that -short runs: one that must page, one that must not, one whose charges are too low.
var quick = []string{"duplicates", "power-users", "under-price"}

var rest = flag.Bool("rest", false, "play the scenarios that make test leaves to make scenarios, and those only")

// long are the largest scenarios. What most of them hold the others show as well, in smaller worlds.
var long = []string{
	"background", "cache-miss", "context-bloat", "declared-price", "demo", "disorder", "drain-20x", "june", "learned-price", "penalties-10x",
	"price-cohort", "price-meter", "quiet", "scripted-drain", "shared-account", "surge", "token-count", "token-recount", "twin-outage", "twin-return",
	"undeclared-price",
}

// leaveToCI skips what takes long, or with -rest all else.
func leaveToCI(t *testing.T, long bool) {
	t.Helper()
	if !testing.Short() && long != *rest {
		t.Skip("make scenarios plays it, and make test the others")
	}
}

// Every built-in scenario's truth is found: one incident a cause with the right class, cause, scope and money, and
// nothing else.
func TestScenarios(t *testing.T) {
	for _, name := range fixtures.Names() {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && !slices.Contains(quick, name) {
				t.Skip("long")
			}
			leaveToCI(t, slices.Contains(long, name))
			s := load(t, name)
			if s.Open != "" {
				t.Skipf("known to be open, and on the score card: %s", s.Open)
			}
			t.Parallel()
			var out *outcome
			var truth *fixtures.Truth
			switch {
			case slices.Contains(shared, name):
				p := play(t, name)
				out, truth = p.outcome, p.truth
			case slices.Contains(travelled, name): // others need it whole
				w := world(t, name)
				out, truth = w.outcome(t), w.truth
			default:
				out, truth = stream(t, optionsOf(s), s)
			}
			if n := out.summary.Counted; n != truth.Rows {
				t.Errorf("counted %d rows, generated %d", n, truth.Rows)
			}
			compare(t, out, truth, s.Prices == "given")
		})
	}
}

// lives holds what was said, revision by revision: nobody is woken twice by one cause, severity does not fall while an incident
// fires, what is over has an end, and there are dozens of revisions at most.
func lives(t *testing.T, out *outcome) {
	t.Helper()
	loud := []incident.Severity{incident.Info, incident.Ticket, incident.Page}
	last, pages := map[string]incident.Record{}, map[string]int{}
	for _, r := range out.alerts {
		p, known := last[r.Incident]
		last[r.Incident] = r
		what := fmt.Sprintf("%s revision %d (%s)", r.Incident, r.Revision, r.Cause)
		switch before, now := slices.Index(loud, p.Severity), slices.Index(loud, r.Severity); {
		case r.Revision != p.Revision+1 || r.Revision > 30:
			t.Errorf("%s: after revision %d", what, p.Revision)
		case known && now < before:
			t.Errorf("%s: severity fell to %s", what, r.Severity)
		case r.UpdatedAt.Before(p.UpdatedAt) || known && !r.DetectedAt.Equal(p.DetectedAt) && p.Scope.Kind == r.Scope.Kind:
			t.Errorf("%s: updated at %v, detected at %v, after %v and %v", what, r.UpdatedAt, r.DetectedAt, p.UpdatedAt, p.DetectedAt)
		case (r.EndedAt != nil) != (r.Status == incident.Resolved) || r.EndedAt != nil && r.EndedAt.Before(r.StartedAt):
			t.Errorf("%s: %s, from %v to %v", what, r.Status, r.StartedAt, r.EndedAt)
		case r.Status == incident.Firing && r.Severity == incident.Page && (p.Status != incident.Firing || now > before):
			pages[r.Incident]++
		}
	}
	for id := range last {
		root := last[id]
		for root.MergedInto != nil {
			root = last[*root.MergedInto]
		}
		if root.Incident != id {
			pages[root.Incident] += pages[id]
		}
		if pages[root.Incident] > 1 {
			t.Errorf("%s: woke people %d times", kindText(root), pages[root.Incident])
		}
	}
}

// compare holds what was found against the truth.
func compare(t *testing.T, out *outcome, truth *fixtures.Truth, exact bool) {
	t.Helper()
	lives(t, out)
	found := map[string]incident.Record{}
	for _, r := range out.final() {
		if r.Class == "organic" {
			if r.Severity != incident.Info {
				t.Errorf("%s: severity %s for what is nobody's fault", kindText(r), r.Severity)
			}
			continue
		}
		if _, twice := found[kindText(r)]; twice {
			t.Errorf("%s: two incidents", kindText(r))
		}
		found[kindText(r)] = r
	}
	for _, want := range truth.Incidents {
		if want.Organic {
			continue
		}
		kind := want.Class + "/" + want.Cause + " " + scopeText(incident.Scope(want.Scope))
		r, ok := found[kind]
		if !ok {
			t.Errorf("%s (%s): not found", kind, want.ID)
			continue
		}
		delete(found, kind)
		if factor := incident.FactorOf(want.Class, want.Cause); want.Scope.Kind == "user" && want.Class != "abuse" && r.Moved() != factor {
			t.Errorf("%s: %s moved most, want %s: %s", kind, r.Moved(), factor, r.Split(func(x float64) string { return fmt.Sprintf("%.3g", x) }))
		}
		if string(r.Severity) != want.Expect {
			t.Errorf("%s: severity %s, want %s", kind, r.Severity, want.Expect)
		}
		if bug := want.Class != "abuse"; bug && r.Onset == nil || r.Onset != nil && (r.StartedAt.Before(r.Onset.From) || r.StartedAt.After(r.Onset.To)) {
			t.Errorf("%s: started at %v, between %+v", kind, r.StartedAt, r.Onset)
		} else if bug && want.Course == fixtures.Step && (r.Onset.From.After(want.OnsetAt) || r.Onset.To.Before(want.OnsetAt)) {
			t.Errorf("%s: began between %v and %v, want %v", kind, r.Onset.From, r.Onset.To, want.OnsetAt)
		}
		if len(want.Ledger) > 0 && !want.Estimate {
			owed(t, kind, r, out.ledger, want, exact)
		}
	}
	for kind, r := range found {
		t.Errorf("%s: not injected (%s, %s to %v, %d users)", kind, r.Severity, r.StartedAt, r.EndedAt, r.UsersAffected)
	}
}

// owed compares the ledger of an incident, user by user: to the last decimal where the rate card is given, else the total
// within 0.5%.
func owed(t *testing.T, kind string, r incident.Record, rows []ledger.Row, want fixtures.Incident, exact bool) {
	t.Helper()
	var total event.Sum
	got := map[string]event.Sum{}
	for _, row := range rows {
		if row.Incident == r.Incident {
			got[row.User] = row.Overcharge()
			total.AddSum(row.Overcharge())
		}
	}
	if total.Cmp(r.Overcharge) != 0 {
		t.Errorf("%s: the ledger adds up to %v, the alert says %v", kind, total, r.Overcharge)
	}
	off := math.Abs(total.Float64()-want.Overcharge.Float64()) / math.Abs(want.Overcharge.Float64())
	if !exact {
		if !(off <= 0.005) {
			t.Errorf("%s: overcharge %v, want %v (off by %.2f%%)", kind, total, want.Overcharge, 100*off)
		}
		return
	}
	wrong, first := 0, ""
	for user, w := range want.Ledger {
		if g := got[user]; g.Cmp(w.Overcharge) != 0 {
			wrong++
			if first == "" || user < first {
				first = user
			}
		}
	}
	if wrong > 0 || len(got) != len(want.Ledger) || total.Cmp(want.Overcharge) != 0 {
		t.Errorf("%s: overcharge %v over %d users, want %v over %d (off by %.2g%%); %d differ, first %s: %v, want %v", kind, total, len(got),
			want.Overcharge, len(want.Ledger), 100*off, wrong, first, got[first], want.Ledger[first].Overcharge)
	}
	if !r.StartedAt.Equal(want.StartedAt) {
		t.Errorf("%s: started at %v, want %v", kind, r.StartedAt, want.StartedAt)
	}
}

// servegen is the public traces as a generator.
type servegen string

func (dir servegen) Generate(seed uint64, emit func(*event.Event) error) (*fixtures.Truth, error) {
	return fixtures.ServeGen(string(dir), seed, emit)
}

// Real clients, whose volume leaps by ten in 2.6% of all hours, wake nobody.
func TestServeGenPagesNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	dir := filepath.Join("..", "..", "shared", "data", "servegen-m-large")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("SKIPPED: %s is not there, so the replay of real clients did not run", dir)
	}
	out, truth := stream(t, optionsOf(load(t, "quiet")), servegen(dir))
	if out.summary.Counted != truth.Rows || truth.Rows == 0 {
		t.Errorf("counted %d rows of %d", out.summary.Counted, truth.Rows)
	}
	for _, r := range out.alerts {
		if r.Severity == incident.Page {
			t.Errorf("%s revision %d: a page: %s", r.Incident, r.Revision, r.Title)
		}
	}
	t.Logf("%d users, %d incidents", out.summary.Users, len(out.final()))
}
