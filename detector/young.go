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
	farmLinks    = 1 << 20 // accounts on identities that a shard remembers for that
)

// identities are what accounts may share, in the order of verdict.Ties; "" is not said.
type identities [len(verdict.Ties)]string

// link says that an account was seen on identities on which it had not been, while it was young; and at the end of an hour what such an
// account did in it.
type link struct {
	user, org string
	on        identities // those that are new; of an hour, those of its last row
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
		if !newHour || !s.tie(e, user) {
			return
		}
		i = len(s.runs)
		s.running[user] = i
		s.runs = append(s.runs, link{
			user: strings.Clone(e.User), org: strings.Clone(e.Dims[event.Org]), on: identitiesOf(e), created: e.AccountCreated, from: e.Time, at: e.Time, hour: true,
		})
	} else if r := &s.runs[i]; e.Device != r.on[0] || e.APIKey != r.on[1] || e.IP != r.on[2] {
		s.tie(e, user)
		r.on = identitiesOf(e)
	}
	r := &s.runs[i]
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

func identitiesOf(e *event.Event) identities {
	return identities{strings.Clone(e.Device), strings.Clone(e.APIKey), strings.Clone(e.IP)}
}

// tie says on which identities an account is for the first time, and returns whether it takes part.
func (s *shard) tie(e *event.Event, user uint64) (known bool) {
	young := e.AccountCreated != 0 && e.Time-e.AccountCreated <= youngAccount
	fresh := false
	today := uint32(e.Time / day)
	var on identities
	for k, id := range [...]string{e.Device, e.APIKey, e.IP} {
		if id == "" {
			continue
		}
		hash := user ^ bits.RotateLeft64(xxhash.Sum64String(id), k+1)
		switch seen := s.ties.Peek(hash); {
		case seen != nil:
			if known = true; *seen < today {
				*s.ties.Get(hash) = today
			}
		case young && s.ties.Len() < farmLinks:
			*s.ties.Add(hash) = today
			on[k], fresh = strings.Clone(id), true
		}
	}
	if fresh {
		s.links = append(s.links, link{user: strings.Clone(e.User), org: strings.Clone(e.Dims[event.Org]), on: on, created: e.AccountCreated, from: e.Time, at: e.Time})
	}
	return known || fresh
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
	since := uint32((at - youngAccount) / day)
	s.ties.Keep(func(seen *uint32) bool { return *seen >= since })
}
