package incident

import (
	"encoding/hex"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Finding is what the detector knows of an incident at one moment. Times are event times in Unix nanoseconds.
type Finding struct {
	Cause      verdict.Cause
	Scope      Scope
	Severity   Severity
	Verdict    verdict.Verdict
	StartedAt  int64 // first affected row
	LastAt     int64 // last affected row
	Onset      Interval
	Users      int
	Overcharge event.Sum
	Charged    float64 // credits that the whole scope was charged
	Over       bool    // nothing affected is coming any more
	MergedInto string  // the older incident that this one turned out to be
	Final      bool    // the input has ended
	Splits     []Split // the incidents that it came out of, or that came out of it
}

// Split says that rows which were told as one incident's turned out to be another's.
type Split struct {
	With  string // the other incident
	Until int64  // event time until which they were told as one
	Off   bool   // the other came out of this one; else this one came out of it
}

// Interval says between when and when a fault began, ends included. Its zero value is unknown.
type Interval struct{ From, To int64 }

// OnsetLevel is the confidence level of stated intervals.
const OnsetLevel = 0.95

// Known says whether the interval is.
func (o Interval) Known() bool { return o.To != 0 }

// Holding returns the interval, widened to hold t; nothing widens one that is not known.
func (o Interval) Holding(t int64) Interval {
	if o.Known() {
		o.From, o.To = min(o.From, t), max(o.To, t)
	}
	return o
}

// Incident is one cause, from the first finding on. It is a value: Step returns a new one.
type Incident struct {
	ID         string
	Revision   int
	Status     Status
	DetectedAt int64
	UpdatedAt  int64
	saidUsers  int
	saidMoney  float64
	Finding
}

// Reason says why a revision is written.
type Reason string

// The reasons for a revision.
const (
	Opened    Reason = "opened"
	Reopened  Reason = "reopened"
	Rescoped  Reason = "scope"
	Renamed   Reason = "cause"
	Escalated Reason = "severity"
	Doubled   Reason = "impact doubled"
	Ended     Reason = "resolved"
	Merged    Reason = "merged"
	Parted    Reason = "split"
	Last      Reason = "input ended"
)

// Open returns the incident that a first finding makes, at revision 1. head is the greatest event time read.
func Open(f Finding, head int64) Incident {
	i := Incident{ID: Identify(f), Revision: 1, Status: Firing, DetectedAt: head, UpdatedAt: head, Finding: f}
	i.said()
	return i
}

// Identify returns the identity that a first finding gives its incident: a fingerprint of cause, scope and the tick of its
// onset, so that the same input gives the same id.
func Identify(f Finding) string {
	h := fnv.New64a()
	for _, s := range []string{string(f.Cause.Class), f.Cause.Name, f.Scope.String(), strconv.FormatInt(f.StartedAt/cohort.Tick, 10)} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return "inc_" + hex.EncodeToString(h.Sum(nil))[:10]
}

// Step returns the incident after a finding at head, and why a reader should hear of it; no reasons, no revision. Severity
// rises and does not fall while the incident fires. An incident that was merged into another takes no more findings.
func Step(i Incident, f Finding, head int64) (Incident, []Reason) {
	if i.MergedInto != "" {
		return i, nil // it is over for good: what comes is said of the older one
	}
	var why []Reason
	if i.Status == Resolved && f.MergedInto == "" {
		switch {
		case f.Final && i.changed(f):
			why = append(why, Last)
		case (f.Over || f.Final) && len(f.Splits) > len(i.Splits): // what was said of it is put right
		case f.Over || f.Final:
			return i, nil
		default:
			i.Status = Firing
			why = append(why, Reopened)
		}
	}
	if f.Cause.Class != i.Cause.Class || f.Cause.Name != i.Cause.Name {
		why = append(why, Renamed)
	}
	if i.rescoped(f, head) {
		why = append(why, Rescoped)
	}
	if len(f.Splits) > len(i.Splits) {
		why = append(why, Parted)
	}
	if rank(f.Severity) > rank(i.Severity) {
		why = append(why, Escalated)
	} else {
		f.Severity = i.Severity
	}
	switch {
	case f.MergedInto != "":
		why = append(why, Merged)
		i.Status = Resolved
	case f.Over && i.Status == Firing:
		why = append(why, Ended)
		i.Status = Resolved
	case f.Final && i.Status == Firing:
		why = append(why, Last)
	case i.doubled(f):
		why = append(why, Doubled)
	}
	i.Finding = f
	if len(why) > 0 {
		i.Revision++
		i.UpdatedAt = max(head, i.UpdatedAt)
		i.said()
	}
	return i, why
}

// listAfter is how long accounts that join a list may wait until they are said, unless it is a quarter longer by then.
const listAfter = 6 * cohort.Hour

// rescoped says whether a reader should hear of another scope. A list that grows is not said anew for every account.
func (i *Incident) rescoped(f Finding, head int64) bool {
	if f.Scope.Kind == "users" && i.Scope.Kind == "users" && f.Scope.LinkedBy == i.Scope.LinkedBy {
		return f.Users != i.saidUsers && (4*f.Users >= 5*i.saidUsers || head-i.UpdatedAt >= listAfter)
	}
	return f.Scope.String() != i.Scope.String()
}

func (i *Incident) said() {
	i.saidUsers, i.saidMoney = i.Users, math.Abs(i.Overcharge.Float64())
}

// doubled says whether the impact is twice what was last said, above a floor that nobody cares below.
func (i *Incident) doubled(f Finding) bool {
	return f.Users >= 2*i.saidUsers && f.Users >= 10 || math.Abs(f.Overcharge.Float64()) >= 2*i.saidMoney && math.Abs(f.Overcharge.Float64()) >= 100
}

// changed says whether a final count or a factor differs from what was said.
func (i *Incident) changed(f Finding) bool {
	return f.Users != i.Users || f.Overcharge != i.Overcharge || f.StartedAt != i.StartedAt || f.Onset != i.Onset || f.LastAt != i.LastAt ||
		!slices.EqualFunc(f.Verdict.Factors, i.Verdict.Factors, sameFactor)
}

// sameFactor leaves differences of half a percent unsaid.
func sameFactor(x, y verdict.Factor) bool {
	return x.Name == y.Name && math.Abs(x.Value-y.Value) <= 0.005*y.Value
}

func rank(s Severity) int {
	switch s {
	case Page:
		return 2
	case Ticket:
		return 1
	case Info:
	}
	return 0
}

// CohortScope returns the scope of a cohort.
func CohortScope(w cohort.Where) Scope { return Scope{Kind: "cohort", Where: w.Map()} }

// UserScope returns the scope of one user.
func UserScope(user string) Scope { return Scope{Kind: "user", User: user} }

// UsersScope returns the scope of accounts tied to each other.
func UsersScope(users []string, linkedBy string) Scope {
	return Scope{Kind: "users", Users: users, LinkedBy: linkedBy}
}

// String returns the scope in one line, the same for equal scopes.
func (s Scope) String() string {
	switch s.Kind {
	case "user":
		return "user " + s.User
	case "users":
		return strconv.Itoa(len(s.Users)) + " users linked by " + s.LinkedBy + " " + strings.Join(s.Users[:min(len(s.Users), 1)], "")
	}
	return s.Conds().String()
}

// Conds returns the conditions of a cohort's scope.
func (s Scope) Conds() cohort.Where {
	var conds []cohort.Cond
	for d := range event.NumDims {
		if v, ok := s.Where[d.String()]; ok {
			conds = append(conds, cohort.Cond{Dim: d, Value: v})
		}
	}
	return cohort.NewWhere(conds...)
}

func utc(ns int64) time.Time { return time.Unix(0, ns).UTC() }
