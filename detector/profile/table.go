package profile

import (
	"strings"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
)

// Bounds of a table. Bytes is what a user costs, the map's share and a key of 64 bytes included; who ever bore a flag costs
// another 288. With keys of 13 bytes it is 976 at a million users (BenchmarkFold).
const (
	Bytes    = 1024
	MaxUsers = 2_000_000
)

// Row is what folding a row found out about its user.
type Row struct {
	NewHour         bool         // the user's first row of an hour
	NewTurn         bool         // the first row of a turn
	Unprompted      bool         // a request that no turn of the user asked for
	Fresh, FreshDay cohort.Flags // flags that the user bears for the first time within an hour, a day
	Tokens          *Moments     // of a request, until the next Fold; nil where there is no past to measure it against
}

// Moments is a user's closed bucket, or the tokens of one request, measured against the user's past.
type Moments struct {
	Leaf  *cohort.Leaf
	At    int64 // end of the bucket, time of the request
	X     [cohort.NumMoments]float64
	Valid [cohort.NumMoments]bool
	Fresh bool // the user's first within an hour
	// Counts says that the user counts for the first time within cohort.SpanHours, and Mean where the user stands then.
	Counts bool
	Mean   [cohort.NumMoments]float64
}

// Table holds the users of one partition.
type Table struct {
	users   map[string]*User
	ring    []*User // the same, in order of admission; who comes for somebody takes their place
	hand    int     // where the next to go is looked for
	most    int
	Evicted int64   // users given up for room
	logs    spread  // of the logarithm of a bucket's volume
	scratch Moments // of what was measured last
	Moments func(*Moments)
	Say     func(Finding)
	Limits  Limits
	// SuspectRows is how many of a user's rows must bear a flag until that is said.
	SuspectRows uint16
	weighed     func(Finding) // sees every weighing of a known user, strong or not
}

// NewTable returns an empty table; moments and say take what it finds.
func NewTable(moments func(*Moments), say func(Finding)) *Table {
	return &Table{users: map[string]*User{}, most: MaxUsers, Moments: moments, Say: say, Limits: DefaultLimits(), SuspectRows: SuspectRows}
}

// Observe has fn see every weighing of a known user, whether it cries or not.
func (t *Table) Observe(fn func(Finding)) { t.weighed = fn }

// Len returns the number of users held.
func (t *Table) Len() int { return len(t.users) }

// User returns a user's state, nil if unknown. It must not be kept past the next Fold.
func (t *Table) User(key string) *User { return t.users[key] }

// Fold counts a charge row of leaf, with its flags and quote. Cost: one map look-up, no allocation for a known user.
func (t *Table) Fold(e *event.Event, leaf *cohort.Leaf, flags cohort.Flags, q price.Quote) Row {
	u := t.users[e.User]
	if u == nil {
		u = t.admit(e)
	}
	var r Row
	if b := e.Time - e.Time%Bucket; b != u.bucket && b > u.bucket {
		t.close(u)
		u.bucket = b
		if u.newDay(int32(b/day), u.held()) {
			t.accept(u)
		}
	}
	if e.Time-u.LastAt > 0 && u.LastAt > 0 && u.now.Rows > 0 {
		u.gaps.observe(float32(float64(e.Time-u.LastAt) / 1e9))
	}
	u.LastAt = max(u.LastAt, e.Time)
	r.NewHour = u.tick(e.Time)
	u.leaf = leaf

	// What was charged again was asked for once.
	again := flags.Has(cohort.Duplicate) || flags.Has(cohort.Copy)
	c := &u.now
	switch e.Kind {
	case event.Penalty:
		c.Penalties++
	default:
		c.Rows++
		if !again {
			c.Requests++
			if u.unprompted(e) {
				c.Background++
				r.Unprompted = true
			}
		}
		if e.Status != event.OK {
			c.Failures++
		}
	}
	if e.TurnID != "" && u.turn(hash32(e.TurnID)) {
		r.NewTurn = true
		c.Turns++
	}
	c.Credits += float32(e.Credits.Float64())
	if q.Known && !again {
		c.List += float32(q.Expected.Float64())
	}
	if !again {
		c.Input += float32(e.Input)
		c.Cached += float32(e.Cached)
		c.CacheWrite += float32(e.CacheWrite)
		c.Output += float32(e.Output)
	}
	if novel, strange := u.identify(e); novel {
		value := e.Credits.Float64()
		if q.Known {
			value = q.Expected.Float64()
		}
		u.novelNow += float32(value)
		u.novelAwake |= 1
		if strange {
			u.strangeNow += float32(value)
		}
	}
	if flags != 0 {
		t.flag(u, e, flags, q, &r)
	}
	if !again && e.Kind == event.Usage && e.Status == event.OK && e.HasTokens {
		r.Tokens = t.tokens(u, e)
	}
	return r
}

// accept ends what was held against a user and says so.
func (t *Table) accept(u *User) {
	f := Finding{Kind: Accepted, User: u.Key, Leaf: u.leaf, At: u.bucket, Since: u.since, Expected: float64(u.past.volume() / max(u.past.Buckets, 1))}
	u.accept()
	f.Observed = float64(u.past.volume() / max(u.past.Buckets, 1))
	if f.Expected > 0 {
		f.Ratio = f.Observed / f.Expected
	}
	t.Say(f)
}

func (t *Table) admit(e *event.Event) *User {
	u := &User{Key: strings.Clone(e.User), FirstAt: e.Time, bucket: e.Time - e.Time%Bucket, Created: e.AccountCreated, dayNo: int32(e.Time / day)}
	if len(t.ring) < t.most {
		t.ring = append(t.ring, u)
	} else {
		t.ring[t.evict()] = u
	}
	t.users[u.Key] = u
	return u
}

// evict gives up the longest silent of the next 16 users and returns their place. A sample is enough: what matters is that
// the busy stay; and that it is the same sample whenever the same rows are read.
func (t *Table) evict() int {
	victim := t.hand
	for range 16 {
		if t.ring[t.hand].LastAt < t.ring[victim].LastAt {
			victim = t.hand
		}
		t.hand = (t.hand + 1) % len(t.ring)
	}
	delete(t.users, t.ring[victim].Key)
	t.Evicted++
	return victim
}

// close ends a user's bucket: measures it against the past, weighs the evidence, and folds it into the windows.
func (t *Table) close(u *User) {
	c := &u.now
	if c.Rows+c.Penalties == 0 {
		return
	}
	c.Buckets = 1
	base := u.base()
	if base.Buckets >= minPast && base.Requests >= minRequests && u.leaf != nil {
		t.measure(u, c, &base)
	}
	u.even()
	t.weigh(u, c, &base)
	if u.flags != nil {
		u.flags.fade(c, u.past.Buckets >= minPast, t.SuspectRows)
	}
	u.roll()
	u.today.add(c, 1)
	u.standing.add(c, 1)
	u.now, u.gaps, u.novelNow, u.strangeNow = Counts{}, spread{}, 0, 0
}

// measure compares the bucket with the user's past. Every measure is a log-ratio shrunk to 0 by one unit of the past, so
// that a bucket of one request says little.
func (t *Table) measure(u *User, c, b *Counts) {
	m := &t.scratch
	*m = Moments{Leaf: u.leaf, At: u.bucket + Bucket}
	asked, askedPast := c.Requests-c.Background, b.Requests-b.Background
	// What nobody asked for is measured against turns, or against what was asked for where no turns are sent.
	unit, unitPast := c.Turns, b.Turns
	if b.Turns == 0 {
		unit, unitPast = asked, askedPast
	}
	if c.Turns > 0 && b.Turns > 0 && askedPast > 0 {
		r := askedPast / b.Turns
		m.set(cohort.RequestsPerTurn, (asked+r)/((c.Turns+1)*r))
	} else if b.Turns == 0 && askedPast > 0 {
		r := askedPast / b.Buckets
		m.set(cohort.RequestsPerTurn, (asked+r)/(2*r))
	}
	switch r := max(b.Background/unitPast, 0.05); {
	case unitPast <= 0:
	case c.Background+b.Background > 0:
		m.set(cohort.Background, (c.Background+r)/((unit+1)*r))
	default:
		m.set(cohort.Background, 1) // none as ever: without such users nobody would know that it is new, nor whom it spares
	}
	turns, turnsPast := c.Turns, b.Turns
	if b.Turns == 0 {
		turns, turnsPast = c.Requests, b.Requests
	}
	m.set(cohort.Turns, (turns+1)/(turnsPast/b.Buckets+1))
	if h := int32(u.bucket / cohort.Hour); h != u.freshMeasure {
		// A user counts anew on a new release or meter: what it did to them before says nothing of it.
		m.Counts, m.Mean = h-u.dayMeasure >= cohort.SpanHours || u.dayOf != u.leaf.Rollout, m.X
		if m.Counts {
			u.dayMeasure, u.dayOf = h, u.leaf.Rollout
		}
		u.freshMeasure, m.Fresh = h, true
	}
	t.Moments(m)
}

// Close ends every open bucket that lies wholly before at, by user key.
func (t *Table) Close(at int64) {
	for _, key := range t.keys(func(u *User) bool { return u.now.Rows+u.now.Penalties > 0 && u.bucket+Bucket <= at }) {
		u := t.users[key]
		t.close(u)
	}
}
