package backtest

import (
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Bracket is what the interval that a record states for its onset is worth.
type Bracket struct {
	Stated bool
	Holds  bool // the moment at which the fault was switched on lies in it; false where that is not known
	Hit    bool // the first affected row does
	Width  time.Duration
}

func bracket(l *Label, r *incident.Record) Bracket {
	o := r.Onset
	if o == nil {
		return Bracket{}
	}
	in := func(t time.Time) bool { return !t.IsZero() && !t.Before(o.From) && !t.After(o.To) }
	return Bracket{Stated: true, Holds: in(l.OnsetAt), Hit: in(l.StartedAt), Width: o.To.Sub(o.From)}
}

// Onsets are the figures of stated intervals. They marshal to JSON.
type Onsets struct {
	Stated Share  `json:"stated"`               // of the incidents found whose onset is known, those that state an interval
	Holds  Share  `json:"holds_onset"`          // of those, how many hold the moment at which the fault was switched on
	Hit    Share  `json:"holds_first_affected"` // and how many the first affected row
	Width  Spread `json:"width_sec"`
}

// onsets gathers Onsets.
type onsets struct {
	known, stated, holds, hit int
	widths                    []float64
}

func (o *onsets) add(m *Match) {
	if m.Label.OnsetAt.IsZero() {
		return
	}
	o.known++
	if b := &m.Bracket; b.Stated {
		o.stated++
		o.holds += one(b.Holds)
		o.hit += one(b.Hit)
		o.widths = append(o.widths, b.Width.Seconds())
	}
}

func (o *onsets) figures() Onsets {
	return Onsets{newShare(o.stated, o.known), newShare(o.holds, o.stated), newShare(o.hit, o.stated), newSpread(o.widths)}
}
