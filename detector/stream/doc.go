// Package stream owns everything Kafka: where records come from, where alerts and dead letters go, the topics and
// the embedded broker. It is the only importer of kafka-go and kfake.
//
// A [Client] holds the configuration of one cluster. From it come the [Consumer] (a group member that reads one
// topic), [History] (records read again by offset), Write, ReadAll and EnsureTopic. [StartEmbedded] runs a broker
// inside the process.
//
// # What is taken from kafka-go and what is not
//
// Group membership is kafka-go's ConsumerGroup, the protocol messages and codecs are its protocol and compress
// packages. Fetching is not: Reader has no revoke signal and skips ahead silently where retention overtook it, and
// Conn.ReadBatch hands out transaction markers and the records of aborted transactions as if they were rows, tells
// neither the log's start nor its last stable offset, and throws keys away in its fast form. So a fetch is sent and its record
// batches are taken apart here (fetch.go, batch.go), which also makes a record cost less: keys and values are cut
// out of one string a batch instead of being copied one by one.
//
// # What was proven
//
// On Apache Kafka 3.9.1 and 4.1.0 (KRaft), by the suite in this package: group assignment, commit and fetch of
// offsets, rebalances of one member to two to one, a killed broker under reader and writer, failover of three nodes,
// PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and TLS. kafka-go's OffsetCommit v2 and OffsetFetch v1 are the oldest that 4.x
// still takes, so a 5.0 may end that. Two habits of its ConsumerGroup are worked round: its watcher of partitions joins
// and leaves without pause while the topic is missing (the topic is awaited first, and watched here), and closing it
// waits as long as a join does (its connections are cut, connections.go).
//
// The embedded broker agrees with both in every case but these: it does not compact, it has no TLS here, and it offers
// the one SASL mechanism that it is started with.
//
// # Invariants
//
//   - A handler sees every committed record of a partition from the offset it asked for, once and in order,
//     and nothing else: no transaction marker, no record of an aborted transaction, nothing below that offset.
//     All of these are counted.
//   - Nothing is skipped silently. An offset that is not in the log is an [OffsetError]; a batch that cannot be
//     read is an [UnreadableError], and reading goes on behind it only if the caller says so.
//   - Reading stops in front of an open transaction (Kafka's last stable offset), as Java's read_committed does.
//   - Committed group offsets are advice. The handler decides where reading starts.
//   - A connection that is silent for Options.Patience after a request, besides what the broker was told to wait, is given up, and with it
//     what else is shared of that broker: it may be one that swallows everything. 10 s is what kafka-go and franz-go have, too; Java's 30 s would leave
//     detection standing for as long. A link that delays each message by half a second takes a second of them.
//   - Writing waits for all in-sync replicas, one request a partition at a time, and may repeat records after a
//     lost answer. Receivers drop repeats by key.
//
// # Concurrency
//
// A Client is safe for concurrent use. Calls for one partition come from one goroutine, one after the other;
// calls for different partitions run concurrently. The slice given to a handler is reused after it returns, the
// strings in it are not, but each keeps its whole batch in memory: clone what is kept.
package stream
