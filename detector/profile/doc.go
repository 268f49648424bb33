// Package profile owns what is known of each single user: rolling windows, the user's own past, who they look like
// (devices, networks, keys), and the evidence that stands against them.
//
// Evidence is gathered per active ten minutes, not per minute of the clock, and against a past that is merged a day late
// and held while evidence stands, so a jump does not teach itself. A user costs Bytes bytes and the table holds at most
// MaxUsers; beyond that the one longest silent goes, counted.
//
// A Table belongs to the shard of its partition. It does no IO, reads no clock and takes nothing from other partitions.
package profile
