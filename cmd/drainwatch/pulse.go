package main

import "time"

const (
	pulseDays   = 8                // of which the widest gap between rows is remembered: a week, so that a Sunday knows the last
	pulseFactor = 3                // silence of so many times the widest gap is unusual
	pulseLeast  = 15 * time.Minute // and never less
	pulseYoung  = 24 * time.Hour   // what was watched for less does not know its nights
	pulseUntold = 6 * time.Hour    // and must be silent for so long
)

// pulse learns for how long a stream is usually without rows, by the clock here. The zero value has seen none.
type pulse struct {
	first, last time.Time
	widest      [pulseDays]time.Duration // by day, the present one at day%pulseDays
	day         int64
}

// beat notes that rows came. Of a silence that was unusual no more is learned than what was usual before: an outage must not teach
// that outages are to be expected.
func (p *pulse) beat(at time.Time) {
	if p.first.IsZero() {
		p.first, p.last = at, at
	}
	gap := min(at.Sub(p.last), p.allowed(at))
	for day := at.Unix() / (24 * 3600); p.day < day; p.day++ {
		if day-p.day > pulseDays {
			p.day = day - pulseDays
		}
		p.widest[(p.day+1)%pulseDays] = 0
	}
	w := &p.widest[p.day%pulseDays]
	*w = max(*w, gap)
	p.last = at
}

// usual returns the widest gap of the last days.
func (p *pulse) usual() (d time.Duration) {
	for _, w := range p.widest {
		d = max(d, w)
	}
	return d
}

func (p *pulse) young(at time.Time) bool { return at.Sub(p.first) < pulseYoung }

// allowed returns for how long silence is nothing unusual.
func (p *pulse) allowed(at time.Time) time.Duration {
	d := max(pulseFactor*p.usual(), pulseLeast)
	if p.young(at) {
		d = max(d, pulseUntold)
	}
	return d
}

// silence returns for how long there have been no rows, in terms of what is allowed; 0 before the first.
func (p *pulse) silence(at time.Time) float64 {
	if p.first.IsZero() {
		return 0
	}
	return float64(at.Sub(p.last)) / float64(p.allowed(at))
}
