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
//
// # Several engines
//
// With [Options].Relay several engines share the work over one log of [Signal]s, whose order is all that they agree on. Each folds the
// partitions that it was given (Own), and one of them decides (Lead). What holds, and the mutation of TestSimulationFindsBugs that
// shows it to be looked for:
//
//  1. What is said of a partition counts only under the claim that stands at its place in the log, once, and in the order of its numbers
//     (Register). So a former owner that does not know that it is none can say what it likes (termIgnored, ownerIgnored, repeatsCount,
//     partsKept), and nobody speaks before having heard that the claim stands (claimUnread).
//  2. A shard's state is a function of its records and of where it paused, which the log tells. Its next owner folds the records again from
//     a checkpoint, pauses in the same places, and leaves out what was said: every row is told exactly once (pausesForgotten,
//     pausesUnsaved, saidUnsaved, dedupeUnsaved, rowsSkipped, rowsRepeated).
//  3. A checkpoint of a shard is kept only after its owner has heard that all it speaks of counts, under the claim under which it was taken
//     and with the register as of before it was. So there is no checkpoint that is not true, and nothing to fence (saveUnheard, saveLateRegister).
//  4. Who decides folds the log and nothing else: what was booked and whom ticks no longer wait for are signals too. So whoever decides
//     next says the same under the same incident and revision (earUnsaved, earRepeats).
//
// A log that lost records which brokers had acknowledged shows as a gap in the numbers, and stops whoever hears it.
package detector
