package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// installationVersion is the layout of the record below and of what the program keeps in its internal topics.
const installationVersion = 1

// installation is the durable record of a first start: on which cluster and topic, and from where. It tells a
// first start from lost state. Later starts compare it with what they find and never change it.
type installation struct {
	V          int                `json:"v"`
	Cluster    string             `json:"cluster"`
	Topic      string             `json:"topic"`
	Group      string             `json:"group"`
	Partitions int                `json:"partitions"`
	Start      string             `json:"start"` // as configured at the first start
	First      map[int32]int64    `json:"first_offsets"`
	WakeFrom   map[int32]int64    `json:"wake_from"` // the log's ends at the first start: what ended before wakes nobody
	Landmarks  map[int32]landmark `json:"landmarks,omitempty"`
	Signals    int64              `json:"signals_from,omitempty"` // where the signals log ended: what is before is of another installation
	At         time.Time          `json:"installed_at"`
	Program    string             `json:"program_version"`
}

// landmark is what the last record of a partition was at the first start. A topic that was made anew and has grown past the
// offsets of the old one has another record there.
type landmark struct {
	Offset int64  `json:"offset"`
	Hash   string `json:"hash"`
}

// kafkaLog is what an installation is compared with.
type kafkaLog interface {
	Cluster(context.Context) (stream.Cluster, error)
	Partitions(ctx context.Context, topic string) (int, error)
	Bounds(ctx context.Context, topic string, partition int32) (start, end int64, err error)
	OffsetAt(ctx context.Context, topic string, partition int32, s stream.Start) (int64, error)
	History(topic string) stream.History
}

// survey says where a first start would begin.
func survey(ctx context.Context, k kafkaLog, topic, group, start string) (*installation, error) {
	cluster, err := k.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	n, err := k.Partitions(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("%w; create the topic, keyed by user, or name another with ingest.topic", err)
	}
	from, err := stream.ParseStart(start)
	if err != nil {
		return nil, err
	}
	in := &installation{
		V: installationVersion, Cluster: cluster.ID, Topic: topic, Group: group, Partitions: n, Start: start,
		First: map[int32]int64{}, WakeFrom: map[int32]int64{}, At: time.Now().UTC(), Program: buildInfo().Version,
	}
	for p := range int32(n) {
		// The end is asked for first: a record that comes in between then may wake somebody, rather than never.
		if _, in.WakeFrom[p], err = k.Bounds(ctx, topic, p); err != nil {
			return nil, err
		}
		if in.First[p], err = k.OffsetAt(ctx, topic, p, from); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// landmarkDepth is how far back the last record is looked for: what ends a transaction takes an offset and is no record.
const landmarkDepth = 16

// place adds the landmarks.
func (in *installation) place(ctx context.Context, k kafkaLog) error {
	in.Landmarks = map[int32]landmark{}
	for p, end := range in.WakeFrom {
		start, _, err := k.Bounds(ctx, in.Topic, p)
		if err != nil {
			return err
		}
		m, ok, err := lastRecord(ctx, k, in.Topic, p, max(start, end-landmarkDepth), end)
		if err != nil {
			return err
		}
		if ok {
			in.Landmarks[p] = m
		}
	}
	return nil
}

// lastRecord returns the last record between two offsets, if retention and compaction have left one that can be read.
func lastRecord(ctx context.Context, k kafkaLog, topic string, partition int32, from, to int64) (m landmark, ok bool, err error) {
	err = k.History(topic).Read(ctx, partition, from, to, func(r detector.Record) error {
		m, ok = markOf(&r), true
		return nil
	})
	if errors.Is(err, stream.ErrOffsetOutOfRange) || errors.Is(err, stream.ErrUnreadable) {
		return landmark{}, false, nil
	}
	return m, ok, err
}

// lostStateError refuses a start on something else than what this installation has been reading.
type lostStateError struct{ topic, found, remedy string }

func (e *lostStateError) Error() string {
	return fmt.Sprintf("resume on topic %s: %s; %s", e.topic, e.found, e.remedy)
}

// verify compares the record with what is there now, and returns for each partition how many of the records
// that the first start read are gone.
func (in *installation) verify(ctx context.Context, k kafkaLog, internal string) (lost map[int32]int64, err error) {
	refuse := func(format string, args ...any) error {
		return &lostStateError{
			in.Topic, fmt.Sprintf(format, args...),
			afresh + "; if not, connect to what " + internal + " speaks of",
		}
	}
	if in.V != installationVersion {
		return nil, refuse("the installation record of %s has layout %d, and this program writes %d", in.At.Format(time.RFC3339), in.V, installationVersion)
	}
	now, err := survey(ctx, k, in.Topic, in.Group, "earliest")
	if err != nil {
		return nil, err
	}
	if now.Cluster != in.Cluster {
		return nil, refuse("this is cluster %q, and the installation of %s reads cluster %q", now.Cluster, in.At.Format(time.RFC3339), in.Cluster)
	}
	if now.Partitions != in.Partitions {
		return nil, refuse("the topic has %d partitions, and had %d at the first start on %s: users may have moved between them", now.Partitions, in.Partitions, in.At.Format(time.RFC3339))
	}
	lost = map[int32]int64{}
	for p := range int32(in.Partitions) {
		if end := now.WakeFrom[p]; end < in.WakeFrom[p] {
			return nil, refuse("partition %d ends at offset %d, and ended at %d at the first start on %s: the topic was truncated or made anew", p, end, in.WakeFrom[p], in.At.Format(time.RFC3339))
		}
		if m, ok := in.Landmarks[p]; ok {
			found, ok, err := lastRecord(ctx, k, in.Topic, p, m.Offset, m.Offset+1)
			if err != nil {
				return nil, err
			}
			if ok && found != m {
				return nil, refuse("partition %d holds another record at offset %d than at the first start on %s: the topic was made anew", p, m.Offset, in.At.Format(time.RFC3339))
			}
		}
		if gone := now.First[p] - in.First[p]; gone > 0 {
			lost[p] = gone
		}
	}
	return lost, nil
}

// key identifies the installation among those that share the internal topic.
func (in *installation) key() string { return in.Group + "/" + in.Topic }

// loadInstallation finds the record of group and topic in the internal topic; nil says that there is none.
func loadInstallation(ctx context.Context, client *stream.Client, internal, group, topic string) (*installation, error) {
	var found *installation
	want := (&installation{Group: group, Topic: topic}).key()
	err := client.ReadAll(ctx, internal, func(m stream.Message) error {
		if string(m.Key) != want || m.Value == nil || found != nil { // the first one counts, should two starts have raced
			return nil
		}
		found = &installation{}
		if err := json.Unmarshal(m.Value, found); err != nil {
			found = nil
			return &lostStateError{
				topic, fmt.Sprintf("the installation record at %s/%d offset %d cannot be read: %v", internal, m.Partition, m.Offset, err),
				"restore the topic; " + afresh,
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// save writes the record. It is written before anything is read, so that a crash leaves a first start behind and no lost state.
func (in *installation) save(ctx context.Context, client *stream.Client, internal string) error {
	text, err := json.Marshal(in)
	if err != nil {
		return errors.Join(errors.New("write installation record"), err)
	}
	return client.Write(ctx, internal, []stream.Message{{Key: []byte(in.key()), Value: text}})
}
