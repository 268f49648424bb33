package cohort

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Value is the rolling statistics of one value of one dimension, or of everybody: what flags and measures do there now,
// and the baseline that they are held against.
type Value struct {
	Dim    event.Dim // NumDims for everybody
	Name   string
	First  int64 // start of its first tick
	Marked int64 // for the owner's use: when it was last found to show something new
	fives  []short
	clean  Flags

	early [NumMoments]Moment // of the first EarlyFor since First: a release is judged by all that it has done

	base struct {
		off, n  [NumFlags]float64
		moments [NumMoments]Moment
		upTo    int64 // hours before this one have been learned
	}
}

// short is five minutes of a value.
type short struct {
	at      int64
	opp     [NumFlags]int64
	rows    [NumFlags]int64
	users   [NumFlags]int64
	moments [NumMoments]Moment
}

// EarlyFor is how long a new value's measures are summed from its first row on.
const EarlyFor = 3 * 24 * Hour

// Early returns measure m over the first EarlyFor of the value.
func (v *Value) Early(m Measure) Moment { return v.early[m] }

// Window sums a flag over a stretch of time.
type Window struct{ Rows, Users, Opportunities float64 }

// at returns the five minutes that start at, made if missing; nil if they are too old.
func (v *Value) at(at int64) *short {
	i := len(v.fives)
	for i > 0 && v.fives[i-1].at > at {
		i--
	}
	if i > 0 && v.fives[i-1].at == at {
		return &v.fives[i-1]
	}
	if n := len(v.fives); n > 0 && at < v.fives[n-1].at-KeepFives {
		return nil
	}
	if len(v.fives) >= 2*int(KeepFives/Five) {
		old := v.fives[len(v.fives)-1].at - KeepFives
		n := 0
		for n < i && v.fives[n].at < old {
			n++
		}
		v.fives = slices.Delete(v.fives, 0, n)
		i -= n
	}
	v.fives = slices.Insert(v.fives, i, short{at: at})
	return &v.fives[i]
}

// share is what a cell adds to each of its leaf's values, worked out once for all of them.
type share struct {
	opp, rows, users [NumFlags]int64
	off              bool  // there are rows that bear a flag
	clean            Flags // some row could have borne the flag and did not
	moments          *[NumMoments]Moment
}

func shareOf(c *Cell) share {
	x := share{moments: c.Moments, off: c.Off != nil}
	for f := range NumFlags {
		x.opp[f] = c.Opportunities(f)
		if c.Off != nil {
			x.rows[f], x.users[f] = c.Off[f].Rows, c.Off[f].Users
		}
		if x.opp[f] > x.rows[f] {
			x.clean = x.clean.With(f)
		}
	}
	return x
}

// add adds sign times what h does not hide of x.
func (v *Value) add(at int64, x *share, h Hidden, sign int64) {
	s := v.at(at)
	if s == nil {
		return
	}
	v.clean |= x.clean &^ h.Flags
	for f := range NumFlags {
		if h.Flags.Has(f) {
			continue
		}
		s.opp[f] += sign * x.opp[f]
		if x.off {
			s.rows[f] += sign * x.rows[f]
			s.users[f] += sign * x.users[f]
		}
	}
	if x.moments == nil {
		return
	}
	for m := range s.moments {
		if d := &x.moments[m]; d.N != 0 && h.Measures&(1<<m) == 0 {
			s.moments[m].add(d, float64(sign))
			if at < v.First+EarlyFor {
				v.early[m].add(d, float64(sign))
			}
		}
	}
}

// EverClean says whether a row that could have borne f did not.
func (v *Value) EverClean(f Flag) bool { return v.clean.Has(f) }

// Since returns the sums of flag f from the five minutes that hold from on.
func (v *Value) Since(f Flag, from int64) Window {
	var w Window
	for i := len(v.fives) - 1; i >= 0 && v.fives[i].at > from-Five; i-- {
		w.Rows += float64(v.fives[i].rows[f])
		w.Users += float64(v.fives[i].users[f])
		w.Opportunities += float64(v.fives[i].opp[f])
	}
	return w
}

// MomentSince returns measure m from the five minutes that hold from on.
func (v *Value) MomentSince(m Measure, from int64) Moment {
	var sum Moment
	for i := len(v.fives) - 1; i >= 0 && v.fives[i].at > from-Five; i-- {
		sum.Merge(v.fives[i].moments[m])
	}
	return sum
}

// BaseHalfLifeHours is how fast a baseline forgets. From the seed's own windows: a week ago counts a quarter.
const BaseHalfLifeHours = 84

// Learn takes the full hours up to, not including, hour into the baseline, except what held names: evidence that stands
// is not learned from. Hours are learned an hour late, so that a jump does not teach itself.
func (v *Value) Learn(hour int64, heldFlag func(Flag) bool, heldMeasure func(Measure) bool) {
	if v.base.upTo == 0 {
		v.base.upTo = v.First - v.First%Hour
	}
	for h := v.base.upTo; h < hour; h += Hour {
		decay := math.Exp2(-1.0 / BaseHalfLifeHours)
		for f := range NumFlags {
			v.base.off[f] *= decay
			v.base.n[f] *= decay
		}
		for m := range NumMoments {
			b := &v.base.moments[m]
			b.N *= decay
			b.Sum *= decay
			b.Squares *= decay
			b.Up *= decay
			b.Days *= decay
			b.Brief *= decay
			b.BriefUp *= decay
		}
	}
	for i := range v.fives {
		s := &v.fives[i]
		if s.at < v.base.upTo || s.at >= hour {
			continue
		}
		for f := range NumFlags {
			if !heldFlag(f) {
				v.base.off[f] += float64(s.rows[f])
				v.base.n[f] += float64(s.opp[f])
			}
		}
		for m := range NumMoments {
			if !heldMeasure(m) {
				v.base.moments[m].Merge(s.moments[m])
			}
		}
	}
	v.base.upTo = max(v.base.upTo, hour)
}

// Priors of a flag's rate: what is assumed before anything has been seen, and how many rows that counts for.
const (
	PriorRate = 5e-4
	priorRows = 400
	shareRows = 200 // rows for which everybody's rate counts in the rate of one value
)

// Rate returns the baseline rate of flag f a row that could bear it; all is everybody's, nil when v is everybody.
func (v *Value) Rate(f Flag, all *Value) float64 {
	prior, rows := PriorRate, float64(priorRows)
	if all != nil {
		prior, rows = all.Rate(f, nil), shareRows
	}
	return (v.base.off[f] + prior*rows) / (v.base.n[f] + rows)
}

// Base returns the baseline of measure m.
func (v *Value) Base(m Measure) Moment { return v.base.moments[m] }

// Learned returns the rows that the baseline of f stands on.
func (v *Value) Learned(f Flag) float64 { return v.base.n[f] }
