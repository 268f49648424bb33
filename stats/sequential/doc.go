// Package sequential holds evidence that may be looked at after every sample: e-values, detectors that multiply
// them, the corrections for watching many streams at once (EBH, ELOND, EBudget), sums of evidence for lasting shifts (CUSUM, Leaky),
// and beliefs and likelihood ratios of counts.
//
// An e-value is a number ≥ 0 whose mean under the hypothesis "nothing changed" is at most 1, so that seeing a large one
// is rare: P(e ≥ a) ≤ 1/a. Products of conditional e-values are e-values, and means of e-values are, whatever their
// dependence. Everything that multiplies works in natural logarithms (nats).
//
// It never decides what a stream is, reads no clock and allocates nothing on the path of a sample. The guarantees hold
// for a baseline that is right; with one estimated from bursty data they do not (at a nominal 10⁶, false alarms were 528
// times the bound without guard, 6 times at guard 2, within it at guard 3), so thresholds are calibrated on history.
//
// Functions are safe for concurrent use. A value with methods belongs to one goroutine at a time.
package sequential
