package ledger

import (
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Row says what one user was charged under one incident, and what it should have been.
// Overcharge is Charged less Expected; it is negative for under-metering.
type Row struct {
	Incident, User    string
	Rows              int64
	Charged, Expected event.Sum
	FirstAt, LastAt   time.Time
}

// Overcharge returns Charged less Expected.
func (r Row) Overcharge() event.Sum {
	s := r.Charged
	s.SubSum(r.Expected)
	return s
}
