package ledger

import (
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// recent is what tells a user's first row of a turn, and of an hour.
type recent struct {
	turns  [4]turn
	hour   int64
	inHour run
}

// turn is one of the user's latest.
type turn struct {
	id string
	run
}

// run is how many rows of a turn, or of a user's hour, have come, and the claims out of whose scope one of them lay, a bit each.
type run struct {
	rows int
	out  uint64
}

func recentOf(m map[string]*recent, user string) *recent {
	u := m[user]
	if u == nil {
		u = &recent{}
		m[strings.Clone(user)] = u
	}
	return u
}

// turn counts a row in its turn, and returns it; nil of a row without one.
func (u *recent) turn(id string) *run {
	if id == "" {
		return nil
	}
	i := slices.IndexFunc(u.turns[:], func(t turn) bool { return t.id == id })
	if i < 0 {
		copy(u.turns[1:], u.turns[:3])
		u.turns[0], i = turn{id: strings.Clone(id)}, 0
	}
	u.turns[i].rows++
	return &u.turns[i].run
}

// first says whether the row that was counted last is the first.
func (x *run) first() bool { return x != nil && x.rows == 1 }

// hourly counts a row in its hour, and says whether it is the first.
func (u *recent) hourly(t int64) bool {
	if newHour(&u.hour, t) {
		u.inHour = run{}
	}
	u.inHour.rows++
	return u.inHour.first()
}

// newHour says whether t begins an hour later than the latest; rows come nearly in order.
func newHour(latest *int64, t int64) bool {
	h := t / cohort.Hour
	if h <= *latest {
		return false
	}
	*latest = h
	return true
}
