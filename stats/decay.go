package stats

import "math"

// Decay is a mean and a variance in which old samples fade: a sample of weight w taken at time t counts
//
//	w · 2^(−(T−t)/halfLife)
//
// at time T, so that one taken a half-life ago counts half. Times may be irregular and out of order: the result
// depends on the set of samples, not on their order, up to rounding.
//
// Times and half-lives share any one unit the caller likes. The half-life is an argument rather than a field, because
// a million users share it: a Decay is 32 bytes. Use the same one for the whole life of a value.
//
// The zero value is empty and ready. It is a plain value: copies are independent. Not safe for concurrent use.
//
// Source: Cormode et al., Forward Decay, 2009, section 3; updates after West, 1979, which do not cancel.
type Decay struct {
	weight, mean, m2, at float64
}

// Add adds a sample x of weight w taken at time at.
//
// A sample older than the newest one seen so far enters with the weight that is left of it. A sample that is not finite,
// in value or time, or whose weight is not positive and finite would spoil the state for ever: it is left out and Add returns false.
// It panics if the half-life is not positive; +Inf means that nothing fades. No allocation; about 15 ns.
func (d *Decay) Add(x, w, at, halfLife float64) bool {
	if !finite(x) || !finite(at) || !finite(w) || w <= 0 {
		return false
	}
	d.Merge(Decay{weight: w, mean: x, at: at}, halfLife)
	return true
}

// Merge adds the samples of e, as if each had been given to Add. It is commutative, and associative up to rounding.
// It panics if the half-life is not positive.
func (d *Decay) Merge(e Decay, halfLife float64) {
	if !(halfLife > 0) {
		panic("stats: Decay: half-life must be positive")
	}
	if e.weight == 0 {
		return
	}
	if d.weight == 0 {
		*d = e
		return
	}
	if d.at < e.at {
		*d, e = e, *d
	}
	fade := math.Exp2((e.at - d.at) / halfLife)
	we := e.weight * fade
	if we == 0 {
		return
	}
	total := d.weight + we
	share := we / total
	delta := e.mean - d.mean
	d.m2 += float64(e.m2*fade) + float64(delta*delta*d.weight*share)
	d.mean += float64(delta * share)
	d.weight = total
}

// Mean returns the weighted mean of the samples, NaN before the first. It does not change as time passes.
func (d Decay) Mean() float64 {
	if d.weight == 0 {
		return math.NaN()
	}
	return d.mean
}

// Variance returns the weighted mean of the squared distances from Mean: the population's variance, not the larger
// unbiased estimate, since a decayed weight is no count. It is 0 for one sample and NaN before the first.
func (d Decay) Variance() float64 {
	if d.weight == 0 {
		return math.NaN()
	}
	return d.m2 / d.weight
}

// Weight returns what the samples weigh at time at: their decayed number where each was added with weight 1.
// It tells how far Mean can be trusted; a steady stream of one sample a unit approaches halfLife/ln 2.
// At a time before the newest sample it returns the weight at that sample. It panics if the half-life is not positive.
func (d Decay) Weight(at, halfLife float64) float64 {
	if !(halfLife > 0) {
		panic("stats: Decay: half-life must be positive")
	}
	if at <= d.at || d.weight == 0 {
		return d.weight
	}
	return d.weight * math.Exp2((d.at-at)/halfLife)
}

// At returns the time of the newest sample, 0 before the first.
func (d Decay) At() float64 { return d.at }

func finite(x float64) bool { return x-x == 0 }
