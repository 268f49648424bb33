// Package cohort owns what is known of groups of rows: cells of additive sums per leaf and bucket of time, the store of
// cells over 10 seconds, 5 minutes and an hour, and the rolling statistics of each single dimension value.
//
// A leaf is one combination of values of all dimensions. Everything in a Cell is a sum, so cells of partitions add up in
// any order, and money and tokens are integers, so the order does not show. Values beyond a cap per dimension fold into
// Other. Nothing here reads a clock or does IO.
//
// Leaves belong to the shard that made them and are immutable once sent; a Store belongs to one goroutine.
package cohort
