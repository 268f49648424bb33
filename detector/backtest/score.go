package backtest

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// Label is one true cause: injected by a simulator, or stated by people afterwards.
type Label struct {
	ID                 string
	Class, Cause       string
	Scope              incident.Scope
	OnsetAt            time.Time // when it was switched on, whether or not it hit anybody then; zero is not known
	SparedAt           time.Time // of the last row before OnsetAt that it would have hit; zero is not known, or none
	Course             string    // how it came, in the words of those who know: step, ramp, rollout
	StartedAt, EndedAt time.Time // of the first and last affected row; a zero EndedAt is "goes on"
	Overcharge         event.Sum
	HasLedger          bool // Overcharge is known: abuse and organic growth have none
	Estimate           bool // the rows do not tell what they should have cost, so Overcharge cannot be met exactly
	Silent             bool // nobody's fault: may be recorded as organic, and need not be recorded at all

	Severity  incident.Severity // how loud it should be; "" is not known
	EvidentAt time.Time         // event time from which on enough rows were affected to see it; zero is not known, or never
	Hits      []time.Time       // event times of the affected rows, in order, of an incident of one account; nil is not known
}

// Match is a label and the record that speaks of it.
type Match struct {
	Label  Label
	Record incident.Record

	Factor              Factors       // what its split is worth
	Class, Cause, Scope bool          // named as the label has it; Cause implies Class
	Severity            bool          // as loud as the label has it; true where the label does not say
	Onset               time.Duration // stated start less true start
	Bracket             Bracket       // what the stated interval of the onset is worth
	Delay               time.Duration // true start to first decision
	Evident             time.Duration // EvidentAt to first decision, negative if that came first; 0 without EvidentAt
	Rows, Buckets       int           // of Hits, rows until the first decision and the 10-minute buckets that hold them
	Heard               Heard         // how often it was told of, once the Score has heard
	// LedgerError is the stated overcharge less the true one, relative to the true one; NaN without a ledger.
	LedgerError float64
}

// Exact reports whether class, cause and scope are right and the money is within tolerance, where it can be known.
func (m Match) Exact(tolerance float64) bool {
	return m.Class && m.Cause && m.Scope && (!m.Label.HasLedger || m.Label.Estimate || math.Abs(m.LedgerError) <= tolerance)
}

// Score says what became of each label and each record.
type Score struct {
	Matches []Match           // in the order of the labels' starts
	Missed  []Label           // that should have been found
	Passed  []Label           // that were rightly said nothing about
	Extra   []incident.Record // that no label explains, organic ones included
}

// slack is how far a record may lie outside its label's time and still speak of it: onset is estimated per tick,
// and an end is seen only when clean rows have come.
const slack = 15 * time.Minute

// Compare matches labels with the final revisions of incidents. Each record speaks of one label at most, and
// each label is spoken of once: a second record on the same cause is extra, since one cause is one incident.
// A label that may be passed over is matched by organic records only; anything louder on it is extra.
func Compare(labels []Label, final []incident.Record) Score {
	labels = slices.SortedFunc(slices.Values(labels), func(a, b Label) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	records := slices.DeleteFunc(slices.Clone(final), func(r incident.Record) bool { return r.MergedInto != nil })
	slices.SortFunc(records, func(a, b incident.Record) int { return cmp.Compare(a.Incident, b.Incident) })

	type pair struct {
		label, record, points int
		onset                 time.Duration
	}
	var pairs []pair
	for i := range labels {
		for j := range records {
			if p := likeness(&labels[i], &records[j]); p > 0 {
				pairs = append(pairs, pair{i, j, p, records[j].StartedAt.Sub(labels[i].StartedAt).Abs()})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.points, a.points), cmp.Compare(a.onset, b.onset))
	})
	byLabel := map[int]int{}
	taken := make([]bool, len(records))
	for _, p := range pairs {
		if _, done := byLabel[p.label]; !done && !taken[p.record] {
			byLabel[p.label], taken[p.record] = p.record, true
		}
	}

	var s Score
	for i, l := range labels {
		switch j, found := byLabel[i]; {
		case found:
			s.Matches = append(s.Matches, compare(l, records[j]))
		case l.Silent:
			s.Passed = append(s.Passed, l)
		default:
			s.Missed = append(s.Missed, l)
		}
	}
	for j, r := range records {
		if !taken[j] {
			s.Extra = append(s.Extra, r)
		}
	}
	return s
}

// likeness returns how surely a record speaks of a label; 0 is not at all. Being about the same rows weighs as
// much as naming the same cause: a record that has one right is a finding with a mistake, not a miss and a false alarm.
func likeness(l *Label, r *incident.Record) int {
	if r.EndedAt != nil && r.EndedAt.Add(slack).Before(l.StartedAt) || !l.EndedAt.IsZero() && r.StartedAt.After(l.EndedAt.Add(slack)) {
		return 0
	}
	if l.Silent && r.Class != "organic" {
		return 0
	}
	points := 0
	switch {
	case r.Class == l.Class && r.Cause == l.Cause:
		points += 4
	case r.Class == l.Class:
		points += 2
	}
	switch {
	case sameScope(l.Scope, r.Scope):
		points += 4
	case overlaps(l.Scope, r.Scope):
		points++
	}
	if points < 3 {
		return 0
	}
	return points
}

func compare(l Label, r incident.Record) Match {
	m := Match{
		Label: l, Record: r,
		Class: r.Class == l.Class, Scope: sameScope(l.Scope, r.Scope),
		Onset: r.StartedAt.Sub(l.StartedAt), Delay: r.DetectedAt.Sub(l.StartedAt), LedgerError: math.NaN(),
	}
	m.Cause = m.Class && r.Cause == l.Cause
	m.Bracket, m.Factor = bracket(&l, &r), factors(&l, &r)
	m.Severity = l.Severity == "" || r.Severity == l.Severity
	if !l.EvidentAt.IsZero() {
		m.Evident = r.DetectedAt.Sub(l.EvidentAt)
	}
	m.Rows, m.Buckets = exposure(l.Hits, r.DetectedAt)
	if l.HasLedger {
		off := r.Overcharge
		off.SubSum(l.Overcharge)
		m.LedgerError = 0
		if off.Cmp(event.Sum{}) != 0 {
			m.LedgerError = off.Float64() / math.Abs(l.Overcharge.Float64()) // +Inf where nothing was owed
		}
	}
	return m
}

// bucket is the unit in which evidence on an account's volume adds up.
const bucket = 10 * time.Minute

// exposure counts the affected rows up to a moment, and the buckets that hold them.
func exposure(hits []time.Time, until time.Time) (rows, buckets int) {
	var last time.Time
	for _, at := range hits {
		if at.After(until) {
			break
		}
		rows++
		if b := at.Truncate(bucket); buckets == 0 || b.After(last) {
			buckets++
			last = b
		}
	}
	return rows, buckets
}

// sameScope reports whether two scopes name the same rows. What ties users to each other is evidence, not scope.
func sameScope(a, b incident.Scope) bool {
	return a.Kind == b.Kind && maps.Equal(a.Where, b.Where) && a.User == b.User && slices.Equal(sorted(a.Users), sorted(b.Users))
}

// overlaps reports whether the scopes themselves tell that some row could lie in both.
func overlaps(a, b incident.Scope) bool {
	if a.Kind == "cohort" && b.Kind == "cohort" {
		for dim, value := range a.Where {
			if other, ok := b.Where[dim]; ok && other != value {
				return false
			}
		}
		return true
	}
	if a.Kind == "cohort" || b.Kind == "cohort" {
		return false // whether an account belongs to a cohort stands in its rows only
	}
	users := members(a)
	return slices.ContainsFunc(members(b), func(u string) bool { return slices.Contains(users, u) })
}

func members(s incident.Scope) []string {
	if s.Kind == "user" {
		return []string{s.User}
	}
	return s.Users
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
