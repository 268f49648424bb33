package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/fixtures"
)

// plea is a piece of counter-evidence in a world, and for whom it spoke.
type plea struct {
	Code string  `json:"code"`
	Who  string  `json:"who"`
	Near float64 `json:"near"` // score over threshold of the rule that came nearest; from 1 on, this alone kept it from crying
	Text string  `json:"text"`
}

// witness hears what a detector looks at and does not say. The hooks are called by several goroutines.
type witness struct {
	from    time.Time
	where   map[event.Dim]string
	tenfold tenfold

	ofAccounts bool // what it looks like is a single account's doing

	mu      sync.Mutex
	users   map[string]detector.Spared // the nearest of each
	farms   map[string]detector.Spared
	cohorts map[string]detector.Spared // by code

	said  []incident.Record
	pleas []plea
}

func newWitness(a *fixtures.Alike) *witness {
	w := &witness{
		from: a.From.Time(), where: map[event.Dim]string{}, ofAccounts: slices.Contains([]string{"stolen_key", "shared_account", "scripted_drain", "farming"}, a.Cause),
		users: map[string]detector.Spared{}, farms: map[string]detector.Spared{}, cohorts: map[string]detector.Spared{},
		tenfold: tenfold{from: a.From.Time().UnixNano(), users: map[string]*hourly{}},
	}
	for name, value := range a.Where {
		if d, ok := event.ParseDim(name); ok {
			w.where[d] = value
		}
	}
	return w
}

// attend has the detector tell what it spares.
func (w *witness) attend(o *detector.Options) {
	o.Spare = w.hear
	o.Compare = &detector.Comparison{Where: w.where, From: w.from}
}

func (w *witness) hear(s detector.Spared) {
	if s.At < w.from.UnixNano() || len(s.For) == 0 {
		return
	}
	by, key := w.users, s.User
	switch {
	case s.Rule == detector.RuleFarm:
		by = w.farms
	case s.User == "":
		by, key = w.cohorts, s.For[0].Code
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := by[key]; !ok || s.Near > old.Near {
		by[key] = s
	}
}

// conclude gathers what spoke for a world: what was said of it and calls it nobody's fault; what kept a rule on cohorts from
// crying; what keeps the accounts that look guilty from being named, or any that came as far; and where nothing came near, which
// factor has moved.
func (w *witness) conclude(truth *fixtures.Truth, said []incident.Record, moved *verdict.Verdict) {
	w.said = said
	for _, r := range said {
		if r.Class != "organic" {
			continue
		}
		for _, e := range r.Evidence {
			if e.Against {
				w.pleas = append(w.pleas, plea{e.Code, "recorded as " + r.Cause, 1, e.Text})
			}
		}
	}
	for _, code := range sortedKeys(w.cohorts) {
		if s := w.cohorts[code]; s.Near >= 1 || code == "planned" {
			w.pleas = append(w.pleas, plea{code, "a cohort", s.Near, s.For[0].Text})
		}
	}
	looked := map[string]bool{}
	for _, i := range truth.Incidents {
		for _, u := range append(i.Scope.Users, i.Scope.User) {
			looked[u] = true
		}
	}
	delete(looked, "")
	if w.ofAccounts && len(looked) == 0 { // all of them might be taken for guilty
		for user := range w.users {
			looked[user] = true
		}
	}
	w.accounts(looked)
	best := map[string]detector.Spared{} // by what speaks for them
	for _, id := range sortedKeys(w.farms) {
		s := w.farms[id]
		if code := s.For[0].Code; s.Near > 2.0/8 && s.Near > best[code].Near {
			best[code] = s
		}
	}
	for _, code := range sortedKeys(best) {
		w.pleas = append(w.pleas, plea{code, "young accounts", best[code].Near, best[code].For[0].Text})
	}
	if len(w.pleas) == 0 && moved != nil && moved.HasRatio {
		name, most, rest, charges := "", 1.0, moved.Ratio, 1.0
		for _, f := range moved.Factors {
			if slices.Contains([]string{"rows", "price", "surcharge"}, f.Name) {
				charges *= f.Value
			}
			if math.Abs(math.Log(f.Value)) > math.Abs(math.Log(most)) {
				name, most = f.Name, f.Value
			}
		}
		rest /= most
		w.pleas = append(w.pleas, plea{"nothing_near", "everybody in it", 0, fmt.Sprintf("no rule looked twice: %s moved x%.2f, everything else x%.2f; rows a request, price and surcharge x%.3f", name, most, rest, charges)})
	}
}

// accounts adds what speaks for those that look guilty, by code, with the one that came nearest; where nobody in particular
// does, for those whom it alone kept from being named.
func (w *witness) accounts(looked map[string]bool) {
	count, best := map[string]int{}, map[string]plea{}
	all := 0
	for _, user := range sortedKeys(w.users) {
		s := w.users[user]
		if len(looked) > 0 && !looked[user] || len(looked) == 0 && s.Near < 1 {
			continue
		}
		all++
		for _, e := range s.For {
			count[e.Code]++
			if old, ok := best[e.Code]; !ok || s.Near > old.Near {
				best[e.Code] = plea{e.Code, user, s.Near, e.Text}
			}
		}
	}
	var out []plea
	for _, code := range sortedKeys(best) {
		p := best[code]
		p.Text = fmt.Sprintf("%s (nearest of %d of %d accounts)", p.Text, count[code], all)
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b plea) int { return cmp.Compare(count[b.Code], count[a.Code]) })
	w.pleas = append(w.pleas, out...)
}

// tenfold is the rule that this program does without: an hour of ten times an account's own median hour. It shows who looks guilty.
type tenfold struct {
	from  int64
	users map[string]*hourly
}

// hourly is what an account was charged in its active hours.
type hourly struct {
	at      int64
	sum     float64
	hours   []float64 // sorted, those that are over
	accused bool
}

// least is how many active hours make a median.
const least = 5

func (t *tenfold) row(e *event.Event) {
	if e.Credits <= 0 {
		return
	}
	u, h := t.users[e.User], e.Time-e.Time%int64(time.Hour)
	if u == nil {
		u = &hourly{at: h}
		t.users[e.User] = u
	}
	if h > u.at {
		i, _ := slices.BinarySearch(u.hours, u.sum)
		u.hours, u.at, u.sum = slices.Insert(u.hours, i, u.sum), h, 0
	}
	if u.sum += e.Credits.Float64(); e.Time >= t.from && len(u.hours) >= least && u.sum > 10*u.hours[len(u.hours)/2] {
		u.accused = true
	}
}

func (t *tenfold) accused() (n int) {
	for _, u := range t.users {
		if u.accused {
			n++
		}
	}
	return n
}
