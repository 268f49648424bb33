package sequential

// CUSUM watches one stream for a lasting rise and a lasting fall, ramps too slow for a single sample included. On either side
//
//	W ← max(0, W + ln(likelihood of the sample if shifted ÷ if at the reference)),
//
// the greatest log-likelihood ratio over all beginnings so far. The beginning that it belongs to, the last time at which W
// was 0, estimates the onset; of a ramp, it is where the ramp had come to about half of the shift that is looked for.
//
// The reference is frozen while an excursion lasts: from the sample at which W left 0 on, the one that held then is used
// and not what the caller has learnt since, so that a slow ramp cannot teach the baseline and hide in it. To accept a change
// as the new normal, set the side to its zero value.
//
// Raise an alarm when Nats reaches a threshold. In a textbook's h and k, in standard deviations, shift is 2k and the threshold
// 2k·h: k = ½ and h = 5 are shift 1 and 5 nats, with 465 samples between false alarms of either side. Under the right reference
// the mean time between false alarms of a side is at least e^threshold samples; a reference that is estimated, or samples that
// hang together, shorten it, so calibrate on history. Keep to one kind of sample and one shift or ratio for the life of a value.
//
// The zero value is ready and has seen nothing. Fields are the whole state, 48 bytes; copies are independent. No allocation.
// Not safe for concurrent use. Samples come in order of time.
//
// Source: Page, Continuous Inspection Schemes, 1954; Montgomery, Introduction to Statistical Quality Control, section 9.1;
// for counts Lucas, Counted Data CUSUMs, 1985; Lorden, Procedures for Reacting to a Change in Distribution, 1971, theorem 2 for
// the bound. Freezing is ours.
type CUSUM struct{ Up, Down Excursion }

// Excursion is one side of a CUSUM. The zero value is none.
type Excursion struct {
	Nats      float64 // W, how much likelier a shift since then is than none
	Since     float64 // when it began: the time of its first sample
	Reference float64 // the reference it is held against
}

// AddGaussian takes a sample x of variance 1 whose mean is reference, and looks for means off by shift:
//
//	up: shift·(x − reference) − shift²/2,  down: shift·(reference − x) − shift²/2 nats.
//
// x and reference are in standard deviations: divide by a scale that the excursion does not move either. A sample,
// reference or time that is not finite is left out. Panics if shift is not positive.
func (c *CUSUM) AddGaussian(x, reference, shift, at float64) {
	if !(shift > 0) {
		panic("stats: CUSUM.AddGaussian: shift must be positive")
	}
	if !finite(x) || !finite(reference) || !finite(at) {
		return
	}
	c.Up.add(reference, at, func(r float64) float64 { return float64(shift * (x - r - shift/2)) })
	c.Down.add(reference, at, func(r float64) float64 { return float64(shift * (r - x - shift/2)) })
}

// AddPoisson takes n events over exposure at a time when the rate is reference, events a unit of exposure, and looks for
// rates off by ratio, up or down:
//
//	up: n·ln ρ − (ρ−1)·reference·exposure,  down: −n·ln ρ + (1−1/ρ)·reference·exposure nats.
//
// Put what is known to come and go (the hour of the week, the number of users) into exposure. n, exposure and reference are
// ≥ 0 and finite, the time is finite, else the sample is left out. Panics if ratio is not above 1.
func (c *CUSUM) AddPoisson(n, exposure, reference, ratio, at float64) {
	if !(ratio > 1) {
		panic("stats: CUSUM.AddPoisson: ratio must be above 1")
	}
	if !(n >= 0 && exposure >= 0 && reference >= 0) || !finite(n) || !finite(exposure*reference) || !finite(at) {
		return
	}
	c.Up.add(reference, at, func(r float64) float64 { return PoissonLR(n, r*exposure, ratio) })
	c.Down.add(reference, at, func(r float64) float64 { return PoissonLR(n, r*exposure, 1/ratio) })
}

// add takes a sample worth logLR(r) nats against a reference r.
func (e *Excursion) add(reference, at float64, logLR func(r float64) float64) {
	if e.Nats == 0 {
		e.Since, e.Reference = at, reference
	}
	if e.Nats += logLR(e.Reference); !(e.Nats > 0) {
		*e = Excursion{}
	}
}

func finite(x float64) bool { return x-x == 0 }
