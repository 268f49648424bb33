// Package window owns what is known of each user's usage windows: the gauge that the user is shown (quota_used, up to
// quota_resets_at) against the sum of what the user was charged, and how fast the budgets of the user's plan are drawn.
//
// A Tracker judges gauges. The gauge's own end names the window: windows begin with use, so each user has their own. Within
// one, the gauge must move by charges ÷ budget; when it ends, or a reset is made, it must start from zero. What the charges
// come to is kept as an interval: rows that may or may not count (another pool, late, off their price, charged within seconds
// of the reading) widen it, so that only a gauge that no counting explains is called wrong. A reading is judged once no row
// that precedes it can still come.
//
// The budget is the plan's shortest one from the configuration, else it is learned from readings of many users' windows. A
// learned budget forgets by half in half a week, so that a fault of hours or days does not teach itself.
//
// A Meter follows budgets that are given: what of the five-hour window, the week and the last pool is gone, at which pace, and
// when none will be left.
//
// A user costs Bytes bytes in a Tracker, if a gauge is sent, and MeterBytes in a Meter, if the plan has budgets. Both belong to the shard of their partition. They do no IO, read no clock and take nothing from other partitions.
package window
