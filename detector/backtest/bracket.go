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
	Least  time.Duration // from the last row that the fault would have hit to the first that it did: who knows both can say no less; 0 is not known
}

func bracket(l *Label, r *incident.Record) Bracket {
	o := r.Onset
	if o == nil {
		return Bracket{}
	}
	least := time.Duration(0)
	if !l.SparedAt.IsZero() {
		least = l.StartedAt.Sub(l.SparedAt)
	}
	in := func(t time.Time) bool { return !t.IsZero() && !t.Before(o.From) && !t.After(o.To) }
	return Bracket{Stated: true, Holds: in(l.OnsetAt), Hit: in(l.StartedAt), Width: o.To.Sub(o.From), Least: least}
}

// Onsets are the figures of stated intervals. They marshal to JSON.
type Onsets struct {
	Stated Share  `json:"stated"`               // of the incidents found whose onset is known, those that state an interval
	Holds  Share  `json:"holds_onset"`          // of those, how many hold the moment at which the fault was switched on
	Hit    Share  `json:"holds_first_affected"` // and how many the first affected row
	Width  Spread `json:"width_sec"`
	Least  Spread `json:"least_width_sec"` // what the traffic allows, where that is known
	Times  Spread `json:"width_of_least"`  // and how many times as wide the interval is
}

// onsets gathers Onsets.
type onsets struct {
	known, stated, holds, hit int
	widths, least, times      []float64
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
		if b.Least > 0 {
			o.least, o.times = append(o.least, b.Least.Seconds()), append(o.times, b.Width.Seconds()/b.Least.Seconds())
		}
	}
}

func (o *onsets) figures() Onsets {
	return Onsets{newShare(o.stated, o.known), newShare(o.holds, o.stated), newShare(o.hit, o.stated), newSpread(o.widths), newSpread(o.least), newSpread(o.times)}
}
