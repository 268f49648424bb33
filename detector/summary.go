package detector

import (
	"maps"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Summary counts what became of an input.
type Summary struct {
	Rows          int64            `json:"rows"`         // records read
	Counted       int64            `json:"counted"`      // rows that entered the statistics
	Duplicates    int64            `json:"duplicates"`   // redelivered rows, not counted again
	Conflicts     int64            `json:"conflicts"`    // of those, with other content than the first
	Late          int64            `json:"late"`         // rows beyond the lateness: booked, not in the statistics
	TimeAhead     int64            `json:"time_ahead"`   // rows whose time nothing else confirmed
	DeadLetters   map[string]int64 `json:"dead_letters"` // by reason
	Users         int              `json:"users"`
	DedupeLost    int64            `json:"dedupe_forgotten"` // ids forgotten before their window ended, under the memory cap
	FirstAt       *time.Time       `json:"first_at"`
	LastAt        *time.Time       `json:"last_at"`
	Incidents     []IncidentCount  `json:"incidents"`
	LedgerRows    int              `json:"ledger_rows"`
	Overcharge    event.Sum        `json:"overcharge_credits"`
	UsersEvicted  int64            `json:"users_evicted"`
	ValuesFolded  int64            `json:"values_folded"` // rows with a dimension value beyond its cap
	Plans         []PlanState      `json:"plans"`         // how users stand with the budgets of their plans at the end
	FindingsHeld  int64            `json:"findings_held"` // of single users, while something shifted many at once
	ConfigVersion string           `json:"config_version,omitempty"`

	Compared *verdict.Verdict `json:"-"` // ratio and factors of what Options.Compare asks for
}

// IncidentCount counts incidents of one kind.
type IncidentCount struct {
	Class    string            `json:"class"`
	Cause    string            `json:"cause"`
	Severity incident.Severity `json:"severity"`
	Count    int               `json:"count"`
}

// summary is called in the fleet's goroutine when the shards stand still.
func (e *Engine) summary(f *fleet) Summary {
	s := Summary{DeadLetters: map[string]int64{}, Incidents: []IncidentCount{}, ConfigVersion: e.o.ConfigVersion}
	first, last := int64(0), int64(0)
	for _, p := range sortedKeys(e.shards) {
		w := e.shards[p]
		c := w.counts
		s.Rows += c.Rows
		s.Counted += c.Counted
		s.Duplicates += c.Duplicates
		s.Conflicts += c.Conflicts
		s.Late += c.Late
		s.TimeAhead += c.TimeAhead
		s.Users += w.users.Len()
		s.UsersEvicted += w.users.Evicted
		s.ValuesFolded += w.leaves.Folded()
		s.DedupeLost += int64(w.class.rows.Overflowed())
		if c.First != 0 && (first == 0 || c.First < first) {
			first = c.First
		}
		last = max(last, c.Last)
	}
	if first != 0 {
		a, b := time.Unix(0, first).UTC(), time.Unix(0, last).UTC()
		s.FirstAt, s.LastAt = &a, &b
	}
	e.deadMu.Lock()
	maps.Copy(s.DeadLetters, e.dead)
	e.deadMu.Unlock()
	for _, r := range f.records(e.id) {
		s.count(&r)
	}
	if e.o.Compare != nil {
		s.Compared = f.compare(e.o.Compare)
	}
	s.Plans, s.FindingsHeld = f.planStates(), f.spent.held
	rows := e.Ledger()
	s.LedgerRows = len(rows)
	for _, r := range rows {
		s.Overcharge.AddSum(r.Overcharge())
	}
	return s
}

func (s *Summary) count(r *incident.Record) {
	for i := range s.Incidents {
		if c := &s.Incidents[i]; c.Class == r.Class && c.Cause == r.Cause && c.Severity == r.Severity {
			c.Count++
			return
		}
	}
	s.Incidents = append(s.Incidents, IncidentCount{r.Class, r.Cause, r.Severity, 1})
}

// Snapshot is what the live view shows. It never changes once made.
type Snapshot struct {
	At       time.Time // event time up to which ticks are decided
	Head     time.Time // greatest event time read
	Rows     int64
	Users    int
	Cohorts  []CohortRate // everybody first, then plans and regions
	Plans    []PlanState  // as of the last full hour
	Open     []incident.Record
	Resolved []incident.Record
}

// CohortRate is what a cohort draws now against what it used to.
type CohortRate struct {
	Where    map[string]string
	Users    int     // active in the last hour
	PerHour  float64 // credits over the last ten minutes, scaled to an hour
	Expected float64 // the mean of like hours before
	Ratio    float64 // 0 where nothing is expected
}

// rateEvery is how often the cohorts of the live view are summed: people read it, so it goes by their clock.
const rateEvery = 250 * time.Millisecond

// snap publishes what the fleet sees. Called in the fleet's goroutine.
func (e *Engine) snap() {
	f := e.fleet
	old := e.snapshot.Load()
	s := &Snapshot{At: time.Unix(0, f.now).UTC(), Head: time.Unix(0, f.head).UTC(), Cohorts: old.Cohorts, Plans: old.Plans}
	for _, c := range f.counts {
		s.Rows += c.Rows
	}
	for _, n := range f.users {
		s.Users += n
	}
	if now := e.o.Now(); e.o.LiveView && now.Sub(e.ratedAt) >= rateEvery {
		e.ratedAt = now
		s.Cohorts = f.rates()
	}
	if hour := f.now - f.now%cohort.Hour; e.o.watched() && hour > e.plannedAt {
		e.plannedAt, s.Plans = hour, f.planStates()
		e.metrics.plans(s.Plans)
	}
	for _, r := range f.records(e.id) {
		if r.Status == incident.Firing {
			s.Open = append(s.Open, r)
		} else {
			s.Resolved = append(s.Resolved, r)
		}
	}
	e.snapshot.Store(s)
	e.metrics.head.Set(float64(f.head) / 1e9)
	e.metrics.open.Set(float64(len(s.Open)))
}

// Snapshot returns the latest view.
func (e *Engine) Snapshot() *Snapshot { return e.snapshot.Load() }

// viewed are the dimensions that the live view lists.
var viewed = []event.Dim{event.Plan, event.Region}

// rates compares every plan and region, and everybody, with like hours before.
func (f *fleet) rates() []CohortRate {
	wheres := []cohort.Where{nil}
	for _, v := range f.store.Values {
		for _, d := range viewed {
			if v.Dim == d {
				wheres = append(wheres, cohort.NewWhere(cohort.Cond{Dim: d, Value: v.Name}))
			}
		}
	}
	for _, p := range f.store.Values {
		for _, r := range f.store.Values {
			if p.Dim == event.Plan && r.Dim == event.Region && len(wheres) < 64 {
				wheres = append(wheres, cohort.NewWhere(cohort.Cond{Dim: p.Dim, Value: p.Name}, cohort.Cond{Dim: r.Dim, Value: r.Name}))
			}
		}
	}
	out := make([]CohortRate, 0, len(wheres))
	for _, w := range wheres {
		const span = 10 * 6 * cohort.Tick
		now := f.store.Sum(w, f.now-span+cohort.Tick, f.now)
		hour := f.store.Sum(w, f.now-cohort.Hour, f.now)
		l := &live{where: w, onset: f.now - cohort.Hour, lastHit: f.now - 1}
		base := f.baseline(l)
		c := CohortRate{Where: w.Map(), Users: int(hour.Users), PerHour: now.Credits.Float64() * float64(cohort.Hour) / float64(span), Expected: base.Credits}
		if c.Expected > 0 {
			c.Ratio = c.PerHour / c.Expected
		}
		out = append(out, c)
	}
	return out
}
