package profile

import (
	"fmt"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dense"
)

// leastSpare is how many states are kept for the next to come at least: as many as were active when a bucket closed.
const leastSpare = 1024

// activate gives a number an empty state. Beyond MaxActive the longest silent of the next 16 makes room, as in evict, even if
// the user's bucket is open.
func (t *Table) activate(number uint32, id string) *User {
	if n := len(t.active); n >= t.room {
		silent := t.active[t.activeHand%n]
		for range 16 {
			if u := t.active[t.activeHand%n]; u.LastAt < silent.LastAt {
				silent = u
			}
			t.activeHand++
		}
		t.rest(silent)
	}
	var u *User
	if k := len(t.spare); k > 0 {
		u, t.spare = t.spare[k-1], t.spare[:k-1]
	} else {
		u = new(User)
	}
	u.seat, u.key, u.mark = number, append(u.key, id...), t.marked.no
	t.seats.At(number).at = isActive | dense.Ref(len(t.active))
	t.active = append(t.active, u)
	return u
}

// retire takes a user out of the active.
func (t *Table) retire(u *User) {
	place := t.seats.At(u.seat).at - isActive
	k := len(t.active) - 1
	last := t.active[k]
	t.active[place], t.active[k] = last, nil
	t.seats.At(last.seat).at = isActive | place
	t.active = t.active[:k]
	if u.flags != nil {
		t.spareFlags = append(t.spareFlags, u.flags)
	}
	*u = User{key: u.key[:0]}
	t.spare = append(t.spare, u)
}

// rest packs an active user.
func (t *Table) rest(u *User) {
	n := u.seat
	t.touchActive(u)
	t.touch(n, false)
	t.record = u.pack(t.record[:0], t.numberOf(u.leaf))
	last := uint32(u.LastAt / grain)
	if u.open() {
		t.away = append(t.away, n)
	}
	t.retire(u)
	*t.seats.At(n) = seat{t.packed.Put(n, t.record), last}
}

// closeAway closes the buckets of users who were packed with an open one, by number.
func (t *Table) closeAway(at int64) {
	slices.Sort(t.away)
	away := slices.Compact(t.away)
	t.away = nil
	for _, n := range away {
		s := t.seats.At(n)
		if s.at >= isActive {
			continue // is back
		}
		if last := int64(s.last) * grain; last-last%Bucket+Bucket > at {
			t.away = append(t.away, n) // it is still open
			continue
		}
		u := t.wake(n, "")
		if u.open() && u.bucket+Bucket <= at {
			t.close(u)
		}
		t.rest(u)
	}
}

// trim leaves to the collector what a busier time has left.
func (t *Table) trim(most int) {
	if most = max(most, leastSpare); len(t.spare) > most {
		clear(t.spare[most:])
		t.spare = t.spare[:most]
	}
	if len(t.spareFlags) > most {
		clear(t.spareFlags[most:])
		t.spareFlags = t.spareFlags[:most]
	}
}

// wake unpacks a user.
func (t *Table) wake(number uint32, id string) *User {
	t.touch(number, true)
	s := *t.seats.At(number)
	u := t.activate(number, id)
	if k := len(t.spareFlags); k > 0 {
		u.flags, t.spareFlags = t.spareFlags[k-1], t.spareFlags[:k-1]
	}
	spare := u.flags
	leaf, _, err := u.unpack(t.packed.At(s.at), int64(s.last)*grain)
	if err != nil || int(leaf) >= len(t.leaves) {
		panic(fmt.Sprintf("profile: user %d: %v", number, err)) // what pack wrote can be read
	}
	if u.flags == nil && spare != nil {
		t.spareFlags = append(t.spareFlags, spare)
	}
	u.leaf = t.leaves[leaf]
	t.packed.Free(s.at)
	return u
}

// numberOf numbers leaves, from 1 on; 0 is none.
func (t *Table) numberOf(l *cohort.Leaf) uint32 {
	if l == nil {
		return 0
	}
	n, ok := t.leafNumber[l]
	if !ok {
		n = uint32(len(t.leaves))
		t.leaves, t.leafNumber[l] = append(t.leaves, l), n
	}
	return n
}
