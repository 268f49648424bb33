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
	client
	country
	numKinds
)

// perKind is how many identities of one kind are remembered for a user: the latest.
const perKind = 6

// identity is one remembered identity. Minutes since 1970 last until the year 6053.
type identity struct {
	hash        uint32
	first, last int32
}

type identities [perKind]identity

// see notes an identity and returns when it was first seen, in minutes; the one longest unseen makes room.
func (ids *identities) see(hash uint32, minute int32) int32 {
	oldest := 0
	for i := range ids {
		if ids[i].hash == hash {
			ids[i].last = max(ids[i].last, minute)
			return ids[i].first
		}
		if ids[i].last < ids[oldest].last {
			oldest = i
		}
	}
	ids[oldest] = identity{hash, minute, minute}
	return minute
}

// fresh counts identities first seen within age minutes of now, and those seen within age at all.
func (ids *identities) fresh(now, age int32) (fresh, active int) {
	for i := range ids {
		if ids[i].hash == 0 || ids[i].last < now-age {
			continue
		}
		active++
		if ids[i].first >= now-age {
			fresh++
		}
	}
	return fresh, active
}

func hash32(s string) uint32 {
	h := uint32(xxhash.Sum64String(s))
	if h == 0 {
		h = 1
	}
	return h
}

// identify notes who the row looks like and says whether it comes from a device, network or key first seen within a day,
// while the user as such is older than that.
func (u *User) identify(e *event.Event) (novel bool) {
	minute := int32(e.Time / 60e9)
	old := minute - int32(u.FirstAt/60e9)
	net := e.ASN
	if net == "" {
		net = e.IP
	}
	for k, v := range [numKinds]string{e.Device, net, e.APIKey, e.Dims[event.Client], e.Country} {
		if v == "" {
			continue
		}
		first := u.ids[k].see(hash32(v), minute)
		if old > 24*60 && minute-first < 24*60 && kind(k) != client {
			novel = true
		}
	}
	return novel
}
