// Package changepoint says when a sequence changed, with a confidence interval, once something else has raised the alarm.
//
// It assumes one step: before the onset the sequence is as expected, from the onset to its end off by one ratio or shift.
// A ramp is dated late, at where it has become visible; give the sequence up to the alarm and not much more if it may have ended.
//
// It does not decide whether there was a change and cannot tell one that nobody had a reason to look for: that is for
// the sibling package sequential. It keeps no state, and its functions are safe for concurrent use.
package changepoint
