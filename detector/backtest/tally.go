package backtest

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector"
)

const (
	hour = int64(time.Hour)
	week = 7 * 24 * hour
)

// Known is something that is known to have gone on: what rules make of it is no false alarm.
type Known struct {
	From, To time.Time
	Users    map[string]bool // whom it hit
	Cohort   bool            // it hit a cohort: rules over cohorts are not counted while it stood
	Farm     bool            // accounts were farmed: devices are not counted while it stood
}

// lingers is how long evidence stands when what it is of has ended.
const lingers = 24 * hour

// Tally keeps what the rules made of a history: the highest score of each user in each week, and that of all users in each hour.
// Weeks begin with Start. It takes what detector.Options.Observe is told, from any goroutine. A user and week costs about 100 bytes.
type Tally struct {
	Start int64 // event time of the first row
	Known []Known

	mu     sync.Mutex
	weeks  map[userWeek]*[detector.NumRules]float32
	hours  map[int64]*[detector.NumRules]float32
	opened map[string]detector.Rule
}

type userWeek struct {
	user uint64
	week int32
}

// Observe takes a score.
func (t *Tally) Observe(s detector.Score) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.weeks == nil {
		t.weeks, t.hours, t.opened = map[userWeek]*[detector.NumRules]float32{}, map[int64]*[detector.NumRules]float32{}, map[string]detector.Rule{}
	}
	switch {
	case s.Incident != "":
		t.opened[s.Incident] = s.Rule
	case s.At < t.Start:
	case s.Rule.Info().Fleet:
		if !t.isKnown(s.At) {
			keep(t.hours, (s.At-t.Start)/hour, s)
		}
	case !t.knows(&s):
		keep(t.weeks, userWeek{xxhash.Sum64String(s.User), int32((s.At - t.Start) / week)}, s)
	}
}

func keep[K comparable](m map[K]*[detector.NumRules]float32, k K, s detector.Score) {
	best := m[k]
	if best == nil {
		best = new([detector.NumRules]float32)
		m[k] = best
	}
	best[s.Rule] = max(best[s.Rule], float32(s.Value))
}

// isKnown says whether something known hit a cohort at a time.
func (t *Tally) isKnown(at int64) bool {
	return slices.ContainsFunc(t.Known, func(k Known) bool {
		return k.Cohort && at >= k.From.UnixNano()-int64(slack) && at <= k.To.UnixNano()+int64(slack)
	})
}

func (t *Tally) knows(s *detector.Score) bool {
	return slices.ContainsFunc(t.Known, func(k Known) bool {
		at := s.At
		return (k.Users[s.User] || k.Farm && s.Rule == detector.RuleFarm) && at >= k.From.UnixNano()-int64(slack) && at <= k.To.UnixNano()+lingers
	})
}

// Span is the part of a history that is counted.
type Span struct {
	Users     int     // seen in all of it
	Weeks     float64 // counted
	Learning  float64 // weeks before that, in which profiles came to know their users
	UserWeeks float64 // Users times Weeks
	Hours     float64 // of that, in which nothing known hit a cohort
}

// learnWeeks is the least history of which the first week is not counted: profiles that know nobody accuse nobody.
const learnWeeks = 1.5

// Span returns what is counted of a history of so many users that ends at last. Of a fortnight that is the second week.
func (t *Tally) Span(users int, last time.Time) Span {
	s := Span{Users: users, Weeks: float64(last.UnixNano()-t.Start) / float64(week)}
	if s.Weeks >= learnWeeks {
		s.Learning, s.Weeks = 1, s.Weeks-1
	}
	s.Weeks = max(s.Weeks, 0)
	s.UserWeeks = float64(users) * s.Weeks
	from := t.Start + int64(s.Learning)*week
	for at := from; at < last.UnixNano(); at += hour {
		if !t.isKnown(at) {
			s.Hours++
		}
	}
	return s
}

// scores returns the highest scores of a rule in the blocks that are counted, where it scored at all, in ascending order; and how
// many blocks there are: users' weeks, or hours.
func (t *Tally) scores(r detector.Rule, s Span) (scores []float64, blocks float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Info().Fleet {
		for h, best := range t.hours {
			if float64(h) >= s.Learning*7*24 && best[r] > 0 {
				scores = append(scores, float64(best[r]))
			}
		}
		blocks = s.Hours
	} else {
		for k, best := range t.weeks {
			if float64(k.week) >= s.Learning && best[r] > 0 {
				scores = append(scores, float64(best[r]))
			}
		}
		blocks = s.UserWeeks
	}
	slices.Sort(scores)
	return scores, blocks
}

// Opened returns the rule that opened an incident; NumRules where that is not known.
func (t *Tally) Opened(id string) detector.Rule {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.opened[id]; ok {
		return r
	}
	return detector.NumRules
}

// String tells a span in words.
func (s Span) String() string {
	out := strconv.Itoa(s.Users) + " users over " + strconv.FormatFloat(s.Weeks, 'f', 1, 64) + " weeks"
	if s.Learning > 0 {
		out += ", after one to learn"
	}
	return out
}
