// Package backtest owns the comparison of what was found with what is known to be true: labels in, matches, misses and
// extras out, by class.
//
// It is pure: no clock, no IO, no randomness, and the order of its input does not change a score. It never runs the
// detector; whoever calls it does. Functions are safe for concurrent use.
package backtest
