package detector

import (
	"context"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Record is one undecoded record of a source partition. In files the partition is 0 and the offset is the
// index of the line, counted over all inputs.
type Record struct {
	Partition  int32
	Offset     int64
	Key, Value string
}

// DeadLetter is a record that could not be used, with the reason (a stable code such as `credits`) and one line of detail.
type DeadLetter struct {
	Record
	Reason, Detail string
}

// Output takes what the engine says. Calls come from one goroutine at a time for each method, and the
// engine waits for them: an error stops the engine before anything after it is said.
type Output interface {
	Alert(context.Context, incident.Record) error
	DeadLetter(context.Context, DeadLetter) error
}

// History reads source records again, for booking.
type History interface {
	// Read calls fn with the records of partition from offset from up to, not including, offset to, in order.
	Read(ctx context.Context, partition int32, from, to int64, fn func(Record) error) error
}
