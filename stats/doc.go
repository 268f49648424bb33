// Package stats holds the numbers under the detector: robust location and scale, decayed moments, a linear law that
// most rows obey, and how far counts and stated confidences can be trusted (exact intervals, reliability). Sub-packages
// hold evidence that adds up over time (sequential), the time at which a sequence changed (changepoint), scores too high for
// chance (extreme), the split of a change into factors (decompose), the part of a table that explains one (localise) and
// quantiles in fixed memory (sketch).
//
// It takes numbers and returns numbers. It knows no user, credit, Kafka or HTTP, reads no clock, logs nothing
// and imports no other package of this module outside its own tree.
//
// Conventions, stated once:
//   - A slice argument is read only, unless the function's name ends in InPlace or the argument is called dst.
//   - Programmer errors (lengths that differ, a half-life that is not positive) panic with the prefix "stats: ".
//     Bad data (NaN, no samples) gives an error or the NaN that the function documents.
//   - Randomness is a *rand.Rand argument: the same seed and input give the same bits.
//   - Products that are summed are wrapped in float64(...), which forbids fused multiply-add, so that results
//     agree on every CPU.
//   - Functions are safe for concurrent use. A value with methods belongs to one goroutine at a time.
package stats
