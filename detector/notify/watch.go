package notify

import (
	"math"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Limit says from when on a measure means trouble. Between Clear and Raise nothing changes, so that a measure that wavers there
// rings once.
type Limit struct {
	Raise float64       // trouble from here on: a ticket,
	Page  float64       // and a page from here on; 0 is never
	After time.Duration // for so long at Raise or beyond before it is said
	Clear float64       // over from here down,
	Hold  time.Duration // for so long
}

// Watch holds one measure against its limit. The zero value has no trouble.
type Watch struct {
	Severity incident.Severity // "" without trouble; it rises while the trouble lasts, and does not fall
	Since    time.Time         // when the measure came to Raise

	turning time.Time // since when the measure has been on the other side; zero while it is not
}

// Step returns the watch after a measurement. A measure that is not known (NaN) changes nothing and breaks the time that After
// and Hold ask for: what is not known to be well is not over. A clock that was set back begins that time anew.
func (w Watch) Step(l Limit, measure float64, at time.Time) Watch {
	if at.Before(w.turning) {
		w.turning = time.Time{}
	}
	trouble := w.Severity != ""
	if trouble && l.Page > 0 && measure >= l.Page {
		w.Severity = incident.Page
	}
	if math.IsNaN(measure) || trouble && measure > l.Clear || !trouble && measure < l.Raise {
		w.turning = time.Time{}
		return w
	}
	if w.turning.IsZero() {
		w.turning = at
	}
	since := at.Sub(w.turning)
	switch {
	case trouble && since >= l.Hold:
		return Watch{}
	case !trouble && since >= l.After:
		w = Watch{Severity: incident.Ticket, Since: w.turning}
		if l.Page > 0 && measure >= l.Page {
			w.Severity = incident.Page
		}
	}
	return w
}
