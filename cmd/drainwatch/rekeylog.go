package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// write writes what was taken until ctx is done.
func (k *rekeying) write(ctx context.Context) error {
	for {
		select {
		case <-k.wake:
		case <-ctx.Done():
			return nil
		}
		k.mu.Lock()
		batch, after := k.queue, k.after
		k.queue, k.size, k.after = nil, 0, map[int32]int64{}
		k.stir()
		k.mu.Unlock()
		if err := k.s.client.Write(ctx, k.to, batch); err != nil {
			return err
		}
		k.mu.Lock()
		for partition, next := range after {
			p := k.at.parts[partition]
			p.written = max(p.written, next)
			for len(p.marks) > 0 && p.marks[0].Offset < p.written {
				p.mark, p.marks = p.marks[0], p.marks[1:]
			}
			p.settle()
		}
		k.stir()
		k.mu.Unlock()
	}
}

// publish says in the rekeying log how far the partitions are that this instance reads.
func (k *rekeying) publish(ctx context.Context) error {
	t := time.NewTicker(sayEvery)
	defer t.Stop()
	for {
		select {
		case <-k.tell:
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		if err := k.say(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select { // others need not know more often
		case <-time.After(sayApart):
		case <-ctx.Done():
			return nil
		}
	}
}

// say says how far these partitions are, or all that this instance reads, if that is news.
func (k *rekeying) say(ctx context.Context, these ...int32) error {
	var messages []stream.Message
	commits := map[int32]int64{}
	k.mu.Lock()
	now := time.Now()
	for _, partition := range slices.Sorted(maps.Keys(k.at.parts)) {
		p := k.at.parts[partition]
		of := len(these) > 0 && these[0] == partition
		if p.written < 0 || !of && (!p.own || len(these) > 0) {
			continue
		}
		what := rekeyed{Next: p.written, At: p.at, End: p.end && p.written >= p.read, Held: p.held && !k.at.open}
		if p.mark.Offset >= 0 {
			what.Mark = &p.mark
		}
		was, known := k.said[partition]
		if known && was.Next == what.Next && was.At == what.At && was.End == what.End && was.Held == what.Held && now.Sub(k.saidAt[partition]) < beatEvery {
			continue
		}
		text, err := json.Marshal(what)
		if err != nil {
			k.mu.Unlock()
			return err
		}
		messages = append(messages, stream.Message{Key: []byte(k.key(partition)), Value: text})
		k.said[partition], k.saidAt[partition] = what, now
		if p.own && now.Sub(k.commits[partition]) >= commitEvery || of {
			commits[partition], k.commits[partition] = p.written, now
		}
	}
	k.mu.Unlock()
	if err := k.s.client.Write(ctx, k.log, messages); err != nil {
		return err
	}
	for partition, next := range commits {
		_ = k.consumer.Commit(partition, next) // advice, for tools that show lag
	}
	return nil
}

func (k *rekeying) key(partition int32) string {
	return k.record.key() + "/" + strconv.Itoa(int(partition))
}

// learn takes a record of the rekeying log. fresh says that it was written just now.
func (k *rekeying) learn(offset int64, key, value string, fresh bool) error {
	number, ok := strings.CutPrefix(key, k.record.key()+"/")
	if !ok {
		return nil
	}
	var what rekeyed
	partition, perr := strconv.ParseInt(number, 10, 32)
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.at.parts[int32(partition)]
	if err := json.Unmarshal([]byte(value), &what); err != nil || perr != nil || p == nil {
		return fmt.Errorf("read %s offset %d: it does not say how far a partition was repartitioned: %w", k.log, offset, errors.Join(err, perr))
	}
	now := time.Now()
	if what.Next >= p.written {
		p.written = what.Next
		if what.Mark != nil {
			p.mark = *what.Mark
		}
	}
	if p.own { // what it hears are its own words, or those of a former owner
		return nil
	}
	p.at, p.end, p.held = what.At, what.End, what.Held
	if fresh {
		p.hear(now)
		if what.End {
			p.endAt = now
		}
	} else {
		p.end = false
	}
	k.stir()
	return nil
}

// follow hears the rekeying log until ctx is done.
func (k *rekeying) follow(ctx context.Context) error {
	return k.s.client.Follow(ctx, k.log, 0, k.next, func(records []detector.Record, next int64) error {
		for i := range records {
			if err := k.learn(records[i].Offset, records[i].Key, records[i].Value, true); err != nil {
				return err
			}
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.next = next
		k.stir()
		return nil
	})
}

// catchUp waits until all that the rekeying log holds now was heard.
func (k *rekeying) catchUp(ctx context.Context) error {
	_, end, err := k.s.client.Bounds(ctx, k.log, 0)
	if err != nil {
		return err
	}
	return k.until(ctx, func() bool { return k.next >= end })
}

// until waits for something. done is asked with k.mu held.
func (k *rekeying) until(ctx context.Context, done func() bool) error {
	for {
		k.mu.Lock()
		ok, moved := done(), k.moved
		k.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-moved:
		case <-k.ended:
			return k.failed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// level says whether all that the source holds is in the rekeyed topic: everything was read to its end of late.
func (k *rekeying) level() bool { return len(k.behind(endMost)) == 0 }

// behind lists the source partitions that were not at their end for so long, whoever reads them.
func (k *rekeying) behind(most time.Duration) []int32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.at.behind(most, time.Now())
}

// holds says whether everything up to these offsets of the source is in the rekeyed topic. k.mu is held.
func (k *rekeying) holds(ends map[int32]int64) bool {
	for partition, end := range ends {
		if p := k.at.parts[partition]; p.written < max(end, k.record.First[partition]) {
			return false
		}
	}
	return true
}
