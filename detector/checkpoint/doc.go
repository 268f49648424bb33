// Package checkpoint keeps durable state: checkpoints, each a manifest over parts, in a store. The directory store is here; one
// over Kafka is to follow.
//
// A checkpoint is never changed once written. Its manifest names each part with its length and SHA-256, so that one which is torn,
// cut off or damaged is told from what was written, and comes last: a checkpoint counts when its manifest is there under its final
// name. A store gives the newest that verifies, says what it left out and why, and keeps the last three. Two owners of the same
// partitions can only write the same state for the same offsets, so nothing needs fencing.
//
// It knows nothing of what parts mean, never decides where to resume against the log, and never imports another edge. A Dir is for one
// goroutine, and its directory for one process.
package checkpoint
