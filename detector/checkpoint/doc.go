// Package checkpoint will own durable state: a manifest over immutable parts, a directory store and a Kafka store over
// what stream offers. It holds no code yet: until it does, a restart rebuilds state by reading the source again.
//
// What will hold: a checkpoint is never changed once written, it is used only if its checksum and layout verify, and two
// owners of a partition can only write the same state for the same offset, so nothing needs fencing. It never decides
// where to resume against the log (detector does) and never imports another edge.
package checkpoint
