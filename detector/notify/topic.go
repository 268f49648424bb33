package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	storeTimeout  = 5 * time.Second // that brokers have to take a change; then alerts are sent without
	compressAbove = 2 << 10         // bytes of a value: long ones are records, much alike, and brokers take a megabyte
	retryKind     = "retry"         // key of a request to send dead letters again, with the sink
)

// Log is what a Topic needs of a Kafka cluster.
type Log interface {
	// EnsureCompacted makes a compacted topic, or checks that it is one of so many partitions.
	EnsureCompacted(ctx context.Context, topic string, partitions int, settings map[string]string) error
	// WriteTo writes records to a partition, in order, and returns when they are durable. A nil value deletes its key.
	WriteTo(ctx context.Context, topic string, partition int32, keys, values [][]byte) error
	// Scan calls fn with what a partition holds now, from an offset or the first after it that is left on, and returns where to
	// read on.
	Scan(ctx context.Context, topic string, partition int32, from int64, fn func(offset int64, key, value string, there bool) error) (next int64, err error)
}

// Topic is a Store in a compacted topic that passes from instance to instance. Each holder has a term, greater than all before, and
// writes under keys of its own, TERM/KEY; once it has copied what the one before had kept it writes TERM/, and from there on that is
// what the next finds. So what a former holder still writes reaches nobody, and one that dies while it takes over leaves all as it was.
type Topic struct {
	log   Log
	topic string

	mu    sync.Mutex
	term  int64                       // of this holder; 0 before Take
	next  int64                       // offset up to which the topic was read
	kept  map[int64]map[string][]byte // by term, as they stand; nil after Load
	asked map[string]bool             // sinks whose dead letters are to be sent again
}

// OpenTopic opens the store, makes its topic if it is not there, and reads it.
func OpenTopic(ctx context.Context, log Log, topic string) (*Topic, error) {
	err := log.EnsureCompacted(ctx, topic, 1, map[string]string{"segment.bytes": strconv.Itoa(16 << 20), "min.cleanable.dirty.ratio": "0.2", "max.compaction.lag.ms": "3600000"})
	if err != nil {
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	t := &Topic{log: log, topic: topic, kept: map[int64]map[string][]byte{}, asked: map[string]bool{}}
	return t, t.read(ctx)
}

// read takes what has been written since. mu is held, or nobody else has it.
func (t *Topic) read(ctx context.Context) error {
	next, err := t.log.Scan(ctx, t.topic, 0, t.next, func(_ int64, key, value string, there bool) error {
		kind, rest, _ := strings.Cut(key, "/")
		if kind == retryKind {
			if delete(t.asked, rest); there {
				t.asked[strings.Clone(rest)] = true
			}
			return nil
		}
		term, ok := parseTerm(kind)
		if !ok || t.kept == nil {
			return nil // not ours, or of somebody who has it no more
		}
		of := t.kept[term]
		if of == nil {
			of = map[string][]byte{}
			t.kept[term] = of
		}
		if delete(of, rest); there {
			of[strings.Clone(rest)] = []byte(value)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read outbox %s: %w", t.topic, err)
	}
	t.next = next
	return nil
}

// Term returns the greatest term that anybody has written under; 0 if nobody has.
func (t *Topic) Term() (term int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := range t.kept {
		term = max(term, n)
	}
	return term
}

// whole returns the greatest term below one that has taken over all that was kept before; 0 if there is none.
func (t *Topic) whole(below int64) (term int64) {
	for n, of := range t.kept {
		if _, ok := of[""]; ok && n < below {
			term = max(term, n)
		}
	}
	return term
}

// Take makes this instance the holder, under a term that nobody else has and that is greater than all before. It is called once, before Load.
func (t *Topic) Take(ctx context.Context, term int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.read(ctx); err != nil {
		return err
	}
	from := t.kept[t.whole(term)]
	var keys, values [][]byte
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if key != "" {
			keys, values = append(keys, termKey(term, key)), append(values, from[key])
		}
	}
	keys, values = append(keys, termKey(term, "")), append(values, []byte("{}"))
	for _, n := range slices.Sorted(maps.Keys(t.kept)) {
		for _, key := range slices.Sorted(maps.Keys(t.kept[n])) {
			if n != term {
				keys, values = append(keys, termKey(n, key)), append(values, nil)
			}
		}
	}
	if err := t.log.WriteTo(ctx, t.topic, 0, keys, values); err != nil {
		return fmt.Errorf("take over outbox %s: %w", t.topic, err)
	}
	t.term, t.kept = term, map[int64]map[string][]byte{term: from}
	return nil
}

func parseTerm(s string) (term int64, ok bool) {
	term, err := strconv.ParseInt(s, 10, 64)
	return term, err == nil && term > 0
}

func termKey(term int64, key string) []byte {
	return append(strconv.AppendInt(nil, term, 10), "/"+key...)
}

// Load implements Store.
func (t *Topic) Load(each func(key string, value []byte) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := t.kept[t.term]
	t.kept = nil // what it holds is kept by who loads it
	for key, value := range from {
		if key == "" {
			continue
		}
		value, err := expand(value)
		if err != nil {
			return fmt.Errorf("read outbox %s: key %q: %w; it is of a newer version or damaged; use the newer version, or delete the topic to start without", t.topic, key, err)
		}
		if err := each(key, value); err != nil {
			return err
		}
	}
	return nil
}

// Write implements Store. It gives brokers a few seconds.
func (t *Topic) Write(changes []Change) error {
	keys, values := make([][]byte, len(changes)), make([][]byte, len(changes))
	for i, c := range changes {
		keys[i], values[i] = termKey(t.term, c.Key), shrink(c.Value)
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := t.log.WriteTo(ctx, t.topic, 0, keys, values); err != nil {
		return fmt.Errorf("write outbox: %w", err)
	}
	return nil
}

// Close implements Store.
func (t *Topic) Close() error { return nil }

// Asked returns the sinks whose dead letters somebody asked to have sent again since, "" for all, and takes the requests away.
func (t *Topic) Asked(ctx context.Context) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.read(ctx); err != nil || len(t.asked) == 0 {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(t.asked))
	var keys [][]byte
	for _, name := range names {
		keys = append(keys, []byte(retryKind+"/"+name))
	}
	if err := t.log.WriteTo(ctx, t.topic, 0, keys, make([][]byte, len(keys))); err != nil {
		return nil, fmt.Errorf("write outbox: %w", err)
	}
	clear(t.asked)
	return names, nil
}

// Ask asks whoever holds the store, or will next, to send the dead letters of a sink again, or of all if name is empty.
func (t *Topic) Ask(ctx context.Context, name string) error {
	if err := t.log.WriteTo(ctx, t.topic, 0, [][]byte{[]byte(retryKind + "/" + name)}, [][]byte{[]byte("{}")}); err != nil {
		return fmt.Errorf("ask for a retry: %w", err)
	}
	return nil
}

// Dead returns the dead letters in the store as it was opened, the oldest first, whoever holds it.
func (t *Topic) Dead() ([]Dead, error) {
	var out []Dead
	for key, value := range t.kept[t.whole(math.MaxInt64)] {
		if !strings.HasPrefix(key, deadPrefix) {
			continue
		}
		var x Dead
		text, err := expand(value)
		if err == nil {
			err = json.Unmarshal(text, &x)
		}
		if err != nil {
			return nil, fmt.Errorf("read outbox %s: key %q: %w", t.topic, key, err)
		}
		out = append(out, x)
	}
	slices.SortFunc(out, byAge)
	return out, nil
}

var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))                                    // fails for bad options only
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20)) // alike
	packed      = []byte{0x28, 0xb5, 0x2f, 0xfd}                                                         // how zstd begins, and JSON never does
)

func shrink(value []byte) []byte {
	if len(value) <= compressAbove {
		return value
	}
	return packer.EncodeAll(value, nil)
}

func expand(value []byte) ([]byte, error) {
	if !bytes.HasPrefix(value, packed) {
		return value, nil
	}
	return unpacker.DecodeAll(value, nil)
}
