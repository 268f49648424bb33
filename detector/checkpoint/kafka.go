package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	topicPartitions = 8         // owners are spread over them
	chunkBytes      = 512 << 10 // of a part, in one message
	uploadBytes     = 4 << 20   // in one call
	partKind        = "part"
	manifestKind    = "manifest"
)

// Log is what a store needs of a Kafka cluster.
type Log interface {
	// EnsureCompacted makes a compacted topic, or checks that it is one of so many partitions.
	EnsureCompacted(ctx context.Context, topic string, partitions int, settings map[string]string) error
	// WriteTo writes records to a partition, in order, and returns when they are durable. A nil value deletes its key.
	WriteTo(ctx context.Context, topic string, partition int32, keys, values [][]byte) error
	// Scan calls fn with what a partition holds now, from an offset or the first after it that is left on, and returns where to
	// read on.
	Scan(ctx context.Context, topic string, partition int32, from int64, fn func(offset int64, key, value string, there bool) error) (next int64, err error)
	// Bounds returns a partition's first offset, and that of the next record to come.
	Bounds(ctx context.Context, topic string, partition int32) (start, end int64, err error)
}

// Kafka is a store in a compacted topic, of which each space is a store of its own. All of an owner stands in one partition: parts in
// chunks, under the keys SPACE/OWNER/part/HASH/CHUNK, and manifests, which come last, under SPACE/OWNER/manifest/ID. What is removed is removed by deleting its keys; whether Kafka has done so
// yet makes no difference. It remembers which keys there are, not what they hold.
type Kafka struct {
	log   Log
	topic string
	space string // what keys begin with
	shelf [topicPartitions]shelf
}

// OpenKafka opens the store of a space in a topic, which is made if it is not there.
func OpenKafka(ctx context.Context, log Log, topic, space string) (*Kafka, error) {
	err := log.EnsureCompacted(ctx, topic, topicPartitions, map[string]string{
		"segment.bytes": strconv.Itoa(128 << 20), "min.cleanable.dirty.ratio": "0.2", "max.compaction.lag.ms": "3600000",
	})
	if err != nil {
		return nil, fmt.Errorf("open checkpoints: %w", err)
	}
	return &Kafka{log: log, topic: topic, space: url.PathEscape(space) + "/"}, nil
}

// Path returns the topic.
func (k *Kafka) Path() string { return "topic " + k.topic }

// at returns the partition of an owner, locked.
func (k *Kafka) at(owner string) (*shelf, int32) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.space + owner))
	p := h.Sum32() % topicPartitions
	k.shelf[p].mu.Lock()
	return &k.shelf[p], int32(p)
}

// refresh reads what has been written since, by whomever.
func (k *Kafka) refresh(ctx context.Context, s *shelf, p int32) error {
	next, err := k.log.Scan(ctx, k.topic, p, s.next, func(offset int64, key, value string, there bool) error {
		if key, ok := strings.CutPrefix(key, k.space); ok {
			s.take(offset, key, value, there)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read checkpoints in %s: %w", k.Path(), err)
	}
	s.next = next
	return nil
}

// upload gathers records and writes them now and then.
type upload struct {
	k            *Kafka
	partition    int32
	keys, values [][]byte
	bytes        int
	done         []string // keys of those written, in order
	sizes        []int    // and how long their values are; -1 for those deleted
}

func (u *upload) add(ctx context.Context, key string, value []byte) error {
	u.keys, u.values = append(u.keys, []byte(u.k.space+key)), append(u.values, value)
	if u.bytes += len(value); u.bytes < uploadBytes {
		return nil
	}
	return u.flush(ctx)
}

func (u *upload) flush(ctx context.Context) error {
	if len(u.keys) == 0 {
		return nil
	}
	if err := u.k.log.WriteTo(ctx, u.k.topic, u.partition, u.keys, u.values); err != nil {
		return err
	}
	for i, key := range u.keys {
		size := len(u.values[i])
		if u.values[i] == nil {
			size = -1
		}
		u.done, u.sizes = append(u.done, strings.TrimPrefix(string(key), u.k.space)), append(u.sizes, size)
	}
	u.keys, u.values, u.bytes = nil, nil, 0
	return nil
}

// settle takes note of what was written: without reading it back, where nobody else has written meanwhile.
func (u *upload) settle(ctx context.Context, s *shelf, manifests map[string][]byte) error {
	_, end, err := u.k.log.Bounds(ctx, u.k.topic, u.partition)
	if err != nil {
		return fmt.Errorf("read checkpoints in %s: %w", u.k.Path(), err)
	}
	if end != s.next+int64(len(u.done)) {
		return u.k.refresh(ctx, s, u.partition)
	}
	for i, key := range u.done {
		value := string(manifests[key])
		s.take(s.next+int64(i), key, value, u.sizes[i] >= 0)
		if f := strings.Split(key, "/"); f[1] == partKind && u.sizes[i] >= 0 {
			n, _ := strconv.Atoi(f[3])
			s.of(f[0]).chunks[f[2]][n] = chunk{s.next + int64(i), u.sizes[i]}
		}
	}
	s.next, u.done, u.sizes = end, nil, nil
	return nil
}

// Write implements Store.
func (k *Kafka) Write(ctx context.Context, owner string, c *Checkpoint) (written int64, err error) {
	if err := c.check(owner); err != nil {
		return 0, err
	}
	text, id, err := manifestOf(owner, c).encode()
	if err != nil {
		return 0, err
	}
	fail := func(err error) error {
		return fmt.Errorf("write checkpoint of %s in %s: %w", owner, k.Path(), err)
	}
	s, partition := k.at(owner)
	defer s.mu.Unlock()
	if err := k.refresh(ctx, s, partition); err != nil {
		return 0, err
	}
	o := s.of(owner)
	u := &upload{k: k, partition: partition}
	given := map[string]bool{}
	for i := range c.Parts {
		p := &c.Parts[i]
		if err := ctx.Err(); err != nil {
			return 0, fail(err)
		}
		if o.has(p.Hash, p.Size) || given[p.Hash] {
			continue
		}
		if p.Bytes == nil {
			return 0, &MissingError{owner, p.Name}
		}
		for n, b := 0, p.Bytes; len(b) > 0; n++ {
			size := min(chunkBytes, len(b))
			if err := u.add(ctx, fmt.Sprintf("%s/%s/%s/%d", owner, partKind, p.Hash, n), b[:size:size]); err != nil {
				return 0, fail(err)
			}
			b = b[size:]
		}
		given[p.Hash] = true
		written += p.Size
	}
	if err := u.flush(ctx); err != nil { // before the manifest is written
		return 0, fail(err)
	}
	key := owner + "/" + manifestKind + "/" + id
	if err := errors.Join(u.add(ctx, key, text), u.flush(ctx)); err != nil {
		return 0, fail(err)
	}
	if err := u.settle(ctx, s, map[string][]byte{key: text}); err != nil {
		return 0, err
	}
	for i := range c.Parts { // another process that took itself for the owner may have removed what was old to it
		if p := &c.Parts[i]; !o.has(p.Hash, p.Size) {
			u := &upload{k: k, partition: partition}
			return 0, errors.Join(&MissingError{owner, p.Name}, u.add(ctx, key, nil), u.flush(ctx))
		}
	}
	c.ID = id
	return written + int64(len(text)), k.prune(ctx, s, partition, owner)
}

// prune deletes what the rule does not keep, and what torn uploads have left.
func (k *Kafka) prune(ctx context.Context, s *shelf, partition int32, owner string) error {
	o := s.of(owner)
	drop, gone, live := dropped(o.manifests, o.bad)
	for hash := range o.chunks {
		if !live[hash] && time.Since(o.seen[hash]) > orphaned {
			gone[hash] = true
		}
	}
	u := &upload{k: k, partition: partition}
	fail := func(err error) error {
		return fmt.Errorf("remove old checkpoints of %s in %s: %w", owner, k.Path(), err)
	}
	for _, id := range drop { // before its parts: it must not be found without them
		if err := u.add(ctx, owner+"/"+manifestKind+"/"+id, nil); err != nil {
			return fail(err)
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(gone)) {
		for _, n := range slices.Sorted(maps.Keys(o.chunks[hash])) {
			if err := u.add(ctx, fmt.Sprintf("%s/%s/%s/%d", owner, partKind, hash, n), nil); err != nil {
				return fail(err)
			}
		}
	}
	if err := u.flush(ctx); err != nil {
		return fail(err)
	}
	return u.settle(ctx, s, nil)
}

// Held implements Store.
func (k *Kafka) Held(ctx context.Context, owner string) (func(string) bool, error) {
	s, partition := k.at(owner)
	defer s.mu.Unlock()
	if err := k.refresh(ctx, s, partition); err != nil {
		return nil, err
	}
	o := s.of(owner)
	held := map[string]bool{}
	for id, m := range o.manifests {
		if m == nil || o.bad[id] {
			continue
		}
		for _, p := range m.Parts {
			held[p.SHA] = o.has(p.SHA, p.Bytes)
		}
	}
	return func(hash string) bool { return held[hash] }, nil
}

// Owners implements Store.
func (k *Kafka) Owners(ctx context.Context) (owners []string, err error) {
	for p := range k.shelf {
		s := &k.shelf[p]
		s.mu.Lock()
		err := k.refresh(ctx, s, int32(p))
		for owner, o := range s.owners {
			if len(o.manifests) > 0 {
				owners = append(owners, owner)
			}
		}
		if s.mu.Unlock(); err != nil {
			return nil, err
		}
	}
	slices.Sort(owners)
	return owners, nil
}

// Newest implements Store. It reads the owner's partition twice: which keys there are, and from the first chunk that is needed on. It
// keeps no more than the parts of one checkpoint.
func (k *Kafka) Newest(ctx context.Context, owner string) (c *Checkpoint, skipped []error, err error) {
	s, partition := k.at(owner)
	defer s.mu.Unlock()
	if err := k.refresh(ctx, s, partition); err != nil {
		return nil, nil, err
	}
	o := s.of(owner)
	for _, id := range newestFirst(slices.Collect(maps.Keys(o.manifests))) {
		m, why := o.manifests[id], o.why[id]
		if m != nil {
			if c, why, err = k.fetch(ctx, o, partition, id, m); err != nil {
				return nil, skipped, err
			}
		}
		if why == nil {
			return c, skipped, nil
		}
		o.bad[id] = true
		skipped = append(skipped, fmt.Errorf("checkpoint %s of %s in %s: %w", id, owner, k.Path(), why))
	}
	return nil, skipped, nil
}

var errAllRead = errors.New("all is read")

// fetch reads the parts of a manifest. why says what is wrong with them.
func (k *Kafka) fetch(ctx context.Context, o *stock, partition int32, id string, m *manifest) (c *Checkpoint, why, err error) {
	wanted := map[int64][]byte{} // by offset: where in a part
	parts := map[string][]byte{}
	from := int64(-1)
	for i := range m.Parts {
		p := &m.Parts[i]
		if parts[p.SHA] != nil {
			continue
		}
		if !o.has(p.SHA, p.Bytes) {
			return nil, fmt.Errorf("its part %s is not there, or not whole", p.Name), nil
		}
		b := make([]byte, p.Bytes)
		parts[p.SHA] = b
		for n := range chunksOf(p.Bytes) {
			x := o.chunks[p.SHA][n]
			wanted[x.offset] = b[n*chunkBytes : n*chunkBytes+x.bytes]
			if from < 0 || x.offset < from {
				from = x.offset
			}
		}
	}
	left := len(wanted)
	if left > 0 {
		_, err = k.log.Scan(ctx, k.topic, partition, from, func(offset int64, _, value string, _ bool) error {
			if b, ok := wanted[offset]; ok && len(b) == len(value) {
				copy(b, value)
				left--
			}
			if left == 0 {
				return errAllRead
			}
			return nil
		})
	}
	if err != nil && !errors.Is(err, errAllRead) {
		return nil, nil, fmt.Errorf("read checkpoints in %s: %w", k.Path(), err)
	}
	if left > 0 { // Kafka has cleaned up what was deleted or written anew meanwhile
		return nil, fmt.Errorf("%d of its chunks went while they were read", left), nil
	}
	c, why = m.load(id, func(p *part) ([]byte, error) { return parts[p.SHA], nil })
	for i := range m.Parts {
		if p := &m.Parts[i]; why != nil && p.verify(parts[p.SHA]) != nil {
			o.drop(p.SHA) // so that it is written again
		}
	}
	return c, why, nil
}

var (
	_ Store = (*Kafka)(nil)
	_ Store = (*Dir)(nil)
)
