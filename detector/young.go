package detector

import (
	"math/bits"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

const (
	day = 24 * cohort.Hour

	youngAccount = 7 * day // age below which an account takes part in the search for farmed ones
	farmLinks    = 1 << 20 // accounts and their identities that a shard remembers for that
	tiesMost     = 64      // identities of one account
)

// identities are what accounts may share, in the order of verdict.Ties; "" is not said.
type identities [len(verdict.Ties)]string

func identitiesOf(e *event.Event) identities { return identities{e.Device, e.APIKey, e.IP} }

// link says that an account was seen on identities on which it had not been, while it was young; and at the end of an hour what such an
// account did in it.
type link struct {
	user, org string
	on        identities // those that are new; of an hour, those of its last row that it had when it was young
	created   int64
	from, at  int64 // first and last row
	hour      bool  // of the hour that has ended:
	credits   event.Credits
	used      uint16 // most that was drawn of the plan's window by then, in thousandths, and 1; 0 is not known
}

// follow takes part of a row in the search for farmed accounts.
func (s *shard) follow(e *event.Event, user uint64, newHour bool) {
	i, runs := s.running[user]
	if !runs {
		if !newHour && !isYoung(e) { // who is young may name in any row what it is on
			return
		}
		on := s.tie(e, user)
		if on == (identities{}) {
			return
		}
		i = len(s.runs)
		s.running[user] = i
		s.runs = append(s.runs, link{
			user: strings.Clone(e.User), org: strings.Clone(e.Dims[event.Org]), on: on, created: e.AccountCreated, from: e.Time, at: e.Time, hour: true,
		})
	} else if r := &s.runs[i]; e.Time/cohort.Hour > r.at/cohort.Hour { // who never pauses
		s.links = append(s.links, *r)
		r.from, r.at, r.credits, r.used = e.Time, e.Time, 0, 0
	}
	r := &s.runs[i]
	if runs && isYoung(e) && r.on != identitiesOf(e) {
		r.on = s.tie(e, user)
	}
	r.from, r.at = min(r.from, e.Time), max(r.at, e.Time)
	r.credits += e.Credits
	used, known := s.budgets.Used(user)
	if e.HasQuota {
		used, known = e.QuotaUsed, true
	}
	if known {
		r.used = max(r.used, 1+uint16(1000*min(max(used, 0), 1)))
	}
}

func isYoung(e *event.Event) bool {
	return e.AccountCreated != 0 && e.Time-e.AccountCreated <= youngAccount
}

// tie says on which identities of a row an account is for the first time while it is young, and returns those on which it was seen as such.
func (s *shard) tie(e *event.Event, user uint64) (seen identities) {
	var fresh identities
	today := tiesOn(e.Time)
	for k, id := range identitiesOf(e) {
		if id == "" {
			continue
		}
		hash := user ^ bits.RotateLeft64(xxhash.Sum64String(id), k+1)
		switch last := s.ties.Peek(hash); {
		case last != nil:
			if *last < today {
				*s.ties.Get(hash) = today
			}
		case isYoung(e) && s.room(user, k, today):
			*s.ties.Add(hash) = today
			fresh[k] = strings.Clone(id)
		default:
			continue
		}
		seen[k] = strings.Clone(id)
	}
	if fresh != (identities{}) {
		s.links = append(s.links, link{user: strings.Clone(e.User), org: strings.Clone(e.Dims[event.Org]), on: fresh, created: e.AccountCreated, from: e.Time, at: e.Time})
	}
	return seen
}

// tiesOn is what is kept of an account on an identity that was seen on a day; of the account itself its identities are added.
func tiesOn(at int64) uint32 { return uint32(at/day) << 8 }

// room says whether one more identity of an account is remembered, and counts it. Of addresses anybody has any number, so they leave half of the
// room to devices and keys.
func (s *shard) room(user uint64, kind int, today uint32) bool {
	n, most, all := uint32(0), uint32(tiesMost), farmLinks
	if kind == byAddress {
		most, all = most/2, all/2
	}
	own := s.ties.Peek(user)
	if own != nil {
		n = *own & 0xff
	}
	if n >= most || s.ties.Len() >= all {
		return false
	}
	if own == nil {
		s.ties.Add(user)
	}
	*s.ties.Get(user) = today | n + 1
	return true
}

// sayRuns says the hours of those accounts that have had no row from at on.
func (s *shard) sayRuns(at int64) {
	clear(s.running)
	runs := s.runs[:0]
	for _, l := range s.runs {
		if l.at < at {
			s.links = append(s.links, l)
			continue
		}
		s.running[xxhash.Sum64String(l.user)] = len(runs)
		runs = append(runs, l)
	}
	clear(s.runs[len(runs):])
	s.runs = runs
}

// forgetTies forgets who has not been on an identity for as long as an account is young.
func (s *shard) forgetTies(at int64) {
	since := tiesOn(at - youngAccount)
	s.ties.Keep(func(seen *uint32) bool { return *seen >= since })
}
