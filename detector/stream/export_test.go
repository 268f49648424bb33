package stream

// PartitionOf is for tests that need a key of a certain partition.
var PartitionOf = partitionOf
