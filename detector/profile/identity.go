package profile

import (
	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/event"
)

// kind is a kind of identity that a request can bear.
type kind uint8

const (
	device kind = iota
	network
	apiKey
	country
	numKinds
)

// perKind is how many identities of one kind are remembered for a user: the latest.
const perKind = 6

// identity is one remembered identity. Seconds since 1970 in 32 bits last until 2106.
type identity struct {
	hash, first, last uint32
}

type identities [perKind]identity

// see notes an identity and returns when it was first seen, in seconds; the one longest unseen makes room.
func (ids *identities) see(hash, sec uint32) uint32 {
	oldest := 0
	for i := range ids {
		if ids[i].hash == hash {
			ids[i].last = max(ids[i].last, sec)
			return ids[i].first
		}
		if ids[i].last < ids[oldest].last {
			oldest = i
		}
	}
	ids[oldest] = identity{hash, sec, sec}
	return sec
}

// fresh counts identities first seen within a day of now, in seconds, those seen within it at all, and says when the first of
// the fresh ones came, now if there is none.
func (ids *identities) fresh(now uint32) (fresh, active int, since uint32) {
	since = now
	for i := range ids {
		if ids[i].hash == 0 || ids[i].last < now-daySec {
			continue
		}
		active++
		if ids[i].first >= now-daySec {
			fresh++
			since = min(since, ids[i].first)
		}
	}
	return fresh, active, since
}

// firstSince says whether an identity came after sec.
func (ids *identities) firstSince(sec uint32) bool {
	for i := range ids {
		if ids[i].hash != 0 && ids[i].first >= sec {
			return true
		}
	}
	return false
}

const daySec = 86400

// hash24 returns 24 bits, never 0: that a new identity passes for one of six known ones has a chance of 4e-7.
func hash24(s string) uint32 { return max(uint32(xxhash.Sum64String(s)>>40), 1) }

func hash32(s string) uint32 { return max(uint32(xxhash.Sum64String(s)), 1) }

// identify notes who the row looks like and says whether it comes from a device, network or key first seen within a day,
// while the user as such is older than that; and whether from a stranger: a new device and a new network or country at once,
// where a new laptop comes to known networks and a journey takes known devices along.
func (u *User) identify(e *event.Event) (novel, strange bool) {
	sec := uint32(e.Time / 1e9)
	old := e.Time-u.FirstAt-grain > day // no longer than since the user's first identity came
	var fresh [numKinds]bool
	for k := range numKinds {
		v := identityOf(e, k)
		if v == "" {
			continue
		}
		first := u.ids[k].see(hash24(v), sec)
		fresh[k] = old && sec-first < daySec
		novel = novel || fresh[k]
	}
	return novel, fresh[device] && (fresh[network] || fresh[country])
}
