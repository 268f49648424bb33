// Package checkpoint keeps durable state: checkpoints of named owners, each a manifest over parts, in a [Store]: a directory ([Dir]), or
// a compacted topic ([Kafka]).
//
// A checkpoint is never changed once written. Its manifest names each part with its length and SHA-256, so that one which is torn, cut
// off or damaged is told from what was written, and comes last: a checkpoint counts when its manifest is there. A part that has not
// changed since the owner's last checkpoint is named again and not written again. A store gives the newest that verifies, says what it left
// out and why, and keeps the last three of an owner.
//
// # Owners and zombies
//
// A process that has lost an owner and does not know it yet may go on writing beside the one that has it now. An owner's state is a
// function of what it has read, so nothing needs fencing: what they write of one position means the same, and of two positions the greater
// counts, whoever wrote it. A writer removes only checkpoints below the three newest it knows, and parts that only those
// name: what has changed by the newest position it knows, which no later checkpoint names. Below it another's may lose a part; they are not
// the newest. A part that no manifest names may be of a write under way, and stays for ten minutes.
//
// It knows nothing of what parts mean, never decides where to resume against the log, and never imports another edge.
package checkpoint
