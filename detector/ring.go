package detector

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

const (
	farmSize = 8      // young accounts on one device that are no household
	farmMost = 10_000 // accounts kept of one identity, and listed of one farm

	// Farms draw what is free once a day, classes meet once a day: an hour or two of it, and the next day at the same time. A farm of which
	// no account had a row for longer is over.
	farmQuiet = day

	restful    = 10 * 60 * int64(1e9) // without a row, after which another stretch of work begins
	spellsMost = 8                    // stretches kept of an account, the latest
)

// Kinds of ties, as verdict.Ties has them. What a device is to a person, a key is to whoever holds it; an address is anybody's.
const (
	byDevice = iota
	byKey
	byAddress
)

// tie is an identity that accounts may share.
type tie struct {
	kind int
	id   string
}

// name is a tie as maps have it.
func (t tie) name() string { return string(rune('0'+t.kind)) + t.id }

func tieOf(name string) tie { return tie{int(name[0] - '0'), name[1:]} }

// account is what is known of an account that was young when it was seen.
type account struct {
	created, first, last int64
	spent                int64         // to the hour in which it had drawn nearly all of a window
	drawn                event.Credits // in the time of its first window
	used                 uint16        // as link has it, the most
	org                  string
	spells               []verdict.Spell
	ties                 []string // in order
	farm                 string   // the incident that names it
}

// group is the accounts that were young on one identity.
type group struct {
	users []string // in order
	last  int64    // row of any
	told  bool     // they were named
}

// ties is the graph of young accounts and the identities that they share. An account with three of its own takes 1 KB.
type ties struct {
	accounts map[string]*account
	groups   map[string]*group // by the name of the tie
	due      map[string]bool   // to be looked at, and whether somebody has joined
	near     map[string]bool   // what closest has said, while nothing new is heard; nil otherwise
}

func newTies() ties {
	return ties{accounts: map[string]*account{}, groups: map[string]*group{}, due: map[string]bool{}}
}

// note takes in what a shard says of an account.
func (y *ties) note(k *link) {
	for kind, id := range k.on {
		if name := (tie{kind, id}).name(); id != "" && y.groups[name].forgotten(k.at) {
			y.drop(name)
		}
	}
	a := y.accounts[k.user]
	if a == nil {
		a = &account{first: k.from, last: k.at}
		y.accounts[k.user] = a
	}
	a.first, a.last = min(a.first, k.from), max(a.last, k.at)
	a.created, a.org = cmp.Or(k.created, a.created), cmp.Or(k.org, a.org)
	if k.hour {
		a.work(k)
	}
	for kind, id := range k.on {
		if id == "" {
			continue
		}
		name := (tie{kind, id}).name()
		i, known := slices.BinarySearch(a.ties, name)
		if !known && (len(a.ties) >= tiesMost || grown(k.created, k.at)) {
			continue
		}
		g := y.groups[name]
		if g == nil {
			g = &group{}
			y.groups[name] = g
		}
		g.last = max(g.last, k.at)
		if !known && len(g.users) < farmMost {
			place, _ := slices.BinarySearch(g.users, k.user)
			g.users = slices.Insert(g.users, place, k.user)
			a.ties = slices.Insert(a.ties, i, name)
		}
		y.due[name] = y.due[name] || !known
	}
	if k.hour { // what it did is news to all that it is tied to
		for _, name := range a.ties {
			if _, due := y.due[name]; !due {
				y.due[name] = false
			}
		}
	}
	if len(a.ties) == 0 {
		delete(y.accounts, k.user)
	}
}

// work takes in an hour.
func (a *account) work(k *link) {
	seat := uint64(0)
	if k.on[byDevice] != "" {
		seat = xxhash.Sum64String(k.on[byDevice])
	}
	if n := len(a.spells); n > 0 && k.from-a.spells[n-1].To <= restful && k.at >= a.spells[n-1].From {
		s := &a.spells[n-1]
		s.From, s.To, s.Seat = min(s.From, k.from), max(s.To, k.at), seat
	} else {
		a.spells = append(a.spells, verdict.Spell{From: k.from, To: k.at, Seat: seat})
		a.spells = a.spells[max(0, len(a.spells)-spellsMost):]
	}
	if k.from-a.first <= verdict.SpentWithin {
		a.drawn += k.credits
	}
	if a.used = max(a.used, k.used); a.spent == 0 && float64(a.used) > 1000*verdict.SpentShare {
		a.spent = k.at
	}
}

// forgotten says whether what was seen of an identity's accounts says nothing any more of who comes now: they had no row for as long as an
// account is young or, where they were named, until that is not reopened.
func (g *group) forgotten(now int64) bool {
	return g != nil && (now-g.last > youngAccount || g.told && now-g.last > farmQuiet+reopenAfter)
}

// grown says whether an account is so old that it is no more one of those who are young together.
func grown(created, now int64) bool { return created != 0 && now-created > 2*youngAccount }

// drop gives up an identity with those accounts that nothing else ties or, where they were named, that were not seen elsewhere since.
func (y *ties) drop(name string) {
	g := y.groups[name]
	delete(y.groups, name)
	delete(y.due, name)
	for _, user := range g.users {
		a := y.accounts[user]
		if a == nil {
			continue
		}
		a.ties = slices.DeleteFunc(a.ties, func(t string) bool { return t == name })
		if g.told && a.last <= g.last {
			for _, t := range a.ties {
				y.leave(t, user)
			}
			a.ties = nil
		}
		if len(a.ties) == 0 {
			delete(y.accounts, user)
		}
	}
}

func (y *ties) leave(name, user string) {
	if g := y.groups[name]; g != nil {
		g.users = slices.DeleteFunc(g.users, func(u string) bool { return u == user })
	}
}

// forget gives up what says nothing any more, an identity or one of its accounts: an address may go on for ever, so may a device, and so may
// people there who were young once.
func (y *ties) forget(now int64) {
	for _, name := range sortedKeys(y.groups) { // who goes with one may leave another
		g := y.groups[name]
		if g.forgotten(now) || len(g.users) == 0 {
			y.drop(name)
			continue
		}
		crowded := len(g.users) > farmMost/2
		g.users = slices.DeleteFunc(g.users, func(user string) bool {
			a := y.accounts[user]
			idle := now - a.last
			if idle <= youngAccount && (a.farm == "" && !grown(a.created, now) || a.farm != "" && !(crowded && idle > farmQuiet+reopenAfter)) {
				return false
			}
			if a.ties = slices.DeleteFunc(a.ties, func(t string) bool { return t == name }); len(a.ties) == 0 {
				delete(y.accounts, user)
			}
			return true
		})
	}
}

// closest says whether an identity ties its accounts by itself: a device, or a key with which no single organisation's gateway signs.
func (y *ties) closest(name string) bool {
	switch tieOf(name).kind {
	case byDevice:
		return true
	case byKey:
		near, known := y.near[name]
		if !known {
			org, _ := verdict.OneOrg(y.members(y.groups[name].users))
			if near = org == ""; y.near != nil {
				y.near[name] = near
			}
		}
		return near
	}
	return false
}

// reach returns the accounts that an identity's are tied to by devices and keys, themselves included, up to so many, and those identities, in order.
func (y *ties) reach(name string, most int) (users, names []string) {
	seen, near := map[string]bool{}, map[string]bool{name: true}
	for next := []string{name}; len(next) > 0 && len(seen) < most; next = next[1:] {
		for _, user := range y.groups[next[0]].users {
			if seen[user] || len(seen) >= most {
				continue
			}
			seen[user] = true
			for _, t := range y.accounts[user].ties {
				if _, known := near[t]; !known {
					if near[t] = y.closest(t); near[t] {
						next = append(next, t)
					}
				}
			}
		}
	}
	for t, ok := range near {
		if ok {
			names = append(names, t)
		}
	}
	slices.Sort(names)
	return sortedKeys(seen), names
}

// most returns how many of some accounts are on the device that has most of them, each counted for its share of the devices that it has in
// common with others: who sits down at any machine of a room is no more at one than where everybody has a place. A key has all that it
// signs for, once it is known when they are at work: by that a gateway shows.
func (y *ties) most(users []string) (count float64, by tie) {
	sums := map[string]float64{}
	for _, user := range users {
		shared := 0.0
		for _, t := range y.accounts[user].ties {
			if tieOf(t).kind == byDevice && len(y.groups[t].users) > 1 {
				shared++
			}
		}
		for _, t := range y.accounts[user].ties {
			switch tieOf(t).kind {
			case byDevice:
				sums[t] += 1 / max(shared, 1)
			case byKey:
				if len(y.accounts[user].spells) > 0 && y.closest(t) {
					sums[t]++
				}
			}
		}
	}
	for _, t := range sortedKeys(sums) {
		if sums[t] > count {
			count, by = sums[t], tieOf(t)
		}
	}
	return count, by
}

// members returns what is known of accounts.
func (y *ties) members(users []string) []verdict.Member {
	out := make([]verdict.Member, len(users))
	for i, user := range users {
		a := y.accounts[user]
		out[i] = verdict.Member{Created: a.created, First: a.first, Spent: a.spent, Metered: a.used > 0, Drawn: a.drawn.Float64(), Org: a.org, Spells: a.spells}
	}
	return out
}

// linked returns what ties accounts to each other: the closest kind of identity that connects them all by itself or, where it takes several, those.
func (y *ties) linked(users []string) string {
	for n := 1; n <= len(verdict.Ties); n++ {
		for kinds := 1; kinds < 1<<len(verdict.Ties); kinds++ {
			var by []string
			for k, name := range verdict.Ties {
				if kinds>>k&1 == 1 {
					by = append(by, name)
				}
			}
			if len(by) == n && y.connected(users, kinds) {
				return strings.Join(by, "+")
			}
		}
	}
	return strings.Join(verdict.Ties[:], "+")
}

// connected says whether identities of some kinds, a bit each, make one of accounts.
func (y *ties) connected(users []string, kinds int) bool {
	parent := map[string]string{}
	var find func(string) string
	find = func(x string) string {
		if p, ok := parent[x]; ok && p != x {
			parent[x] = find(p)
			return parent[x]
		}
		return x
	}
	parts := len(users)
	for _, user := range users {
		if a := y.accounts[user]; a != nil {
			for _, t := range a.ties {
				if kinds>>tieOf(t).kind&1 == 0 {
					continue
				}
				if _, known := parent[t]; !known {
					parent[t] = user + "\x00" // names of accounts and of ties stay apart
				}
				if p, q := find(t), find(user+"\x00"); p != q {
					parent[p] = q
					parts--
				}
			}
		}
	}
	return parts == 1
}

func (y *ties) code(c *state.Coder) {
	state.Map(c, &y.accounts, c.String, func(p **account) {
		if state.Opt(c, p, func(a *account) { a.code(c) }); *p == nil {
			c.Fail("an account is missing")
		}
	})
	state.Map(c, &y.groups, c.String, func(p **group) {
		state.Opt(c, p, func(g *group) {
			state.Slice(c, &g.users, c.String)
			state.Ints(c, &g.last)
			c.Bools(&g.told)
			if !slices.IsSorted(g.users) {
				c.Fail("the accounts of an identity are not in order")
			}
		})
		if *p == nil {
			c.Fail("the accounts of an identity are missing")
		}
	})
	state.Map(c, &y.due, c.String, func(joined *bool) { c.Bools(joined) })
	if y.accounts == nil || y.groups == nil || y.due == nil {
		c.Fail("a map of young accounts is missing")
	}
}

func (a *account) code(c *state.Coder) {
	state.Ints(c, &a.created, &a.first, &a.last, &a.spent)
	state.Ints(c, &a.drawn)
	state.Uints(c, &a.used)
	c.Strings(&a.org, &a.farm)
	state.Slice(c, &a.spells, func(s *verdict.Spell) {
		state.Ints(c, &s.From, &s.To)
		state.Uints(c, &s.Seat)
	})
	state.Slice(c, &a.ties, c.String)
}
