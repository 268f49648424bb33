// Package backtest owns the comparison of what was found with what is known to be true: labels against the
// final revisions of incidents, and the score card over many such comparisons.
//
// It never runs the detector, reads files or changes thresholds; whoever does hands it labels and records.
//
// Invariants: every label is matched, missed or (when it may be passed over in silence) passed; every record
// that was not merged away is matched or extra; the result does not depend on the order of its inputs.
//
// Concurrency: functions are pure. A Card is used by one goroutine at a time.
package backtest
