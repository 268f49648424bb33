package notify

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Sink tells one receiver of alerts. Both methods are called by one goroutine a sink.
type Sink interface {
	// Send delivers a notification and returns what the receiver replied, for people to read. An error that is no
	// [*Failure] is taken for a passing one. It must return soon after ctx is done.
	Send(ctx context.Context, n *Notification) (reply string, err error)
	// Policy says how the protocol behind the sink wants to be used.
	Policy() Policy
}

// Policy is how a protocol wants to be used. Retries that have run out leave a dead letter.
type Policy struct {
	Timeout time.Duration   // of one attempt
	Waits   []time.Duration // after the first failed attempt, the second, …; the last one repeats
	Tries   int             // attempts before the end; 0 is no limit
	Within  time.Duration   // time from the first attempt to the end; 0 is no limit

	Repeat         time.Duration // what fires is said again this often; 0 is once
	RepeatResolved time.Duration // what is resolved is said again for this long
	OnlyChanges    bool          // people read along: a revision that changes neither state, severity, verdict nor scope is left out
}

// Notification is one revision of one incident on its way to one sink.
type Notification struct {
	Record incident.Record
	First  *incident.Record   // what this sink was told of the incident first; nil before
	Before []*incident.Record // and last; and what it may have been told since, its answer being lost; all without evidence and factors
	Mark   string             // TEST or DEMO, to be shown in front; "" for what is real
	Again  bool               // this has been delivered, and is said again because the protocol wants that
	Now    time.Time          // of this attempt
}

// Key returns the idempotency key: the same for every attempt at this revision.
func (n *Notification) Key() string { return n.Record.Incident + "_" + strconv.Itoa(n.Record.Revision) }

// Outcome says what follows from a failed attempt.
type Outcome int

// What follows from a failed attempt.
const (
	Retry   Outcome = iota // it may succeed later
	Refused                // the receiver will never take this notification: a dead letter
	Gone                   // the receiver wants nothing more: the sink is switched off
)

// Failure is an error that says what follows from it.
type Failure struct {
	Outcome Outcome
	After   time.Duration // the receiver asked for this much time; 0 if it did not
	Err     error
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// refusef returns a Failure that no later attempt can mend.
func refusef(format string, args ...any) error {
	return &Failure{Outcome: Refused, Err: fmt.Errorf(format, args...)}
}

// outcome returns what follows from err.
func outcome(err error) (Outcome, time.Duration) {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Outcome, f.After
	}
	return Retry, 0
}

// slim returns what is remembered of a revision that was delivered.
func slim(r *incident.Record) *incident.Record {
	s := *r
	s.Evidence, s.Factors, s.Links, s.Summary, s.Runbook = nil, nil, nil, "", ""
	return &s
}

// sameState says whether somebody who has read a would learn no state, severity, verdict or scope from b.
func sameState(a, b *incident.Record) bool {
	return a.Status == b.Status && a.Class == b.Class && a.Cause == b.Cause && a.Severity == b.Severity && a.Scope.String() == b.Scope.String()
}
