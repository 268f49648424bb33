package main

import (
	"maps"
	"math"
	"slices"
	"time"
)

// What rekeying mixes must not come later than the lateness only because one source partition was read faster than another, as happens
// whenever there is much to catch up with. So none may run ahead of the slowest by more than a share of the lateness; those that are at
// their end hold nobody back. How far each is says the rekeying log, whoever reads it.

const (
	aheadShare   = 4           // of the lateness: how far one may be ahead of the slowest; the rest is for the producers' own disorder
	endFresh     = time.Second // for so long a partition is at its end after its broker has said so
	abreastAfter = time.Minute // for so long one is waited for of which nothing is heard
	company      = 8           // rows that are looked at, so that a few broken clocks among them do not count
)

// sourcePart is how far a source partition has been read.
type sourcePart struct {
	read    int64     // offset of the next record to be taken
	written int64     // everything below this is in the rekeyed topic
	at      int64     // event time of what is taken next, or was taken last
	end     bool      // there was nothing more to read
	endSeen time.Time // its broker has said so then
	idle    int64     // where that was so last,
	idleAt  time.Time
	endAt   time.Time  // when that was so last of all that was written
	heard   time.Time  // when anything was heard of it
	held    bool       // it waits for where the first start ends to be on record
	gone    bool       // others wait for it no more, until it is heard again
	own     bool       // this instance reads it
	mark    landmark   // the last record below written; offset -1 while there is none
	marks   []landmark // those that wait to be written
	pulse   pulse      // of its rows, once read to its end
	opened  bool       // it has been read to its end once
}

// abreast is where all source partitions are. It is not safe for concurrent use.
type abreast struct {
	open  bool  // where the first start ends is on record: those that are held go on
	most  int64 // that one may be ahead of the slowest, in event time
	parts map[int32]*sourcePart
}

func newAbreast(partitions int, lateness time.Duration, now time.Time) *abreast {
	a := &abreast{most: int64(lateness) / aheadShare, parts: map[int32]*sourcePart{}}
	for p := range int32(partitions) {
		a.parts[p] = &sourcePart{read: -1, written: -1, idle: -1, at: math.MinInt64, heard: now, mark: landmark{Offset: -1}}
	}
	return a
}

// rest notes that there is nothing more to read.
func (p *sourcePart) rest(head int64, now time.Time) {
	p.read, p.end, p.opened = max(p.read, head), true, true
	if p.written >= p.idle { // else what is written now may never come up with what is read
		p.idle, p.idleAt = p.read, now
	}
	p.settle()
}

// settle notes that what was written has come up with the end.
func (p *sourcePart) settle() {
	if p.written >= p.idle && p.idleAt.After(p.endAt) {
		p.endAt = p.idleAt
	}
}

// hear notes a sign of life.
func (p *sourcePart) hear(now time.Time) { p.heard, p.gone = now, false }

// horizon returns up to which event time a partition may be taken now, and the one that it has to wait for.
func (a *abreast) horizon(partition int32, now time.Time) (until int64, slowest int32) {
	until, slowest = math.MaxInt64, partition
	for _, q := range slices.Sorted(maps.Keys(a.parts)) {
		p := a.parts[q]
		if q == partition || p.gone || p.held && !a.open || p.end && now.Sub(p.endSeen) < endFresh {
			continue
		}
		if reach := a.reach(p); reach < until {
			until, slowest = reach, q
		}
	}
	return until, slowest
}

// reach returns how far the others may go while this one has more to come.
func (a *abreast) reach(p *sourcePart) int64 {
	if p.at == math.MinInt64 {
		return p.at
	}
	return p.at + a.most
}

// doubtful lists those that would hold a partition back, did it go on up to some time, but were at their end when they were heard last.
func (a *abreast) doubtful(partition int32, upTo int64, now time.Time) (out []int32) {
	for _, q := range slices.Sorted(maps.Keys(a.parts)) {
		if p := a.parts[q]; q != partition && p.end && !p.gone && now.Sub(p.endSeen) >= endFresh && a.reach(p) < upTo {
			out = append(out, q)
		}
	}
	return out
}

// giveUp has others not wait any more for those that hold them back and were not heard since.
func (a *abreast) giveUp(partition int32, since, now time.Time) (given []int32) {
	for {
		until, q := a.horizon(partition, now)
		p := a.parts[q]
		if until == math.MaxInt64 || p.heard.After(since) {
			return given
		}
		p.gone = true
		given = append(given, q)
	}
}

// behind lists those that have not been at their end, with all of it written, for so long.
func (a *abreast) behind(most time.Duration, now time.Time) (out []int32) {
	for _, q := range slices.Sorted(maps.Keys(a.parts)) {
		if p := a.parts[q]; p.endAt.IsZero() || now.Sub(p.endAt) > most {
			out = append(out, q)
		}
	}
	return out
}

// within returns how many of the next rows may be taken up to a horizon, and from when on those are that come then. times has 0 for rows
// that cannot be read: nobody waits for them, or because of them.
func within(times []int64, until int64) (n int, next int64) {
	for n, t := range times {
		if t <= until { // 0, too
			continue
		}
		beyond, rows, earliest := 0, 0, int64(math.MaxInt64)
		for _, t := range times[n:] {
			if t == 0 {
				continue
			}
			if rows++; t > until {
				beyond, earliest = beyond+1, min(earliest, t)
			}
			if rows == company {
				break
			}
		}
		if beyond >= 2 && 2*beyond > rows {
			return n, earliest
		}
	}
	return len(times), 0
}

// lately returns the middle time of the last rows; 0 if none has one.
func lately(times []int64) int64 {
	var last []int64
	for _, t := range slices.Backward(times) {
		if t != 0 {
			last = append(last, t)
		}
		if len(last) == company {
			break
		}
	}
	if len(last) == 0 {
		return 0
	}
	slices.Sort(last)
	return last[len(last)/2]
}
