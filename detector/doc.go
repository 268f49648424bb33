// Package detector is the deterministic pipeline from charge rows to incidents: shards fold the rows of one source
// partition each, the fleet decides, tick by tick, on what the shards closed, and booking reads the rows of an incident
// again for the ledger.
//
// A shard takes nothing from anywhere but its partition: no prices, priors or incidents come back from the fleet, so its
// state after an offset is a function of the records before it. Time is the rows' own. Nothing depends on the number of
// cores: rows are decoded in parallel, and folded in order.
//
// One goroutine owns a shard, one the fleet; they share nothing but the messages between them, and readers see
// snapshots that never change.
package detector
