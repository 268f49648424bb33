package profile

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dense"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/state"
)

// Bounds of a table. Bytes is what a user at rest costs on the mean, whatever the length of the id; ActiveBytes what one costs
// with rows of the last twenty minutes, an id of 64 bytes included.
const (
	Bytes       = 256
	ActiveBytes = 1024
	MaxUsers    = 2_000_000
	MaxActive   = 65_536 // beyond that the longest silent are packed at once, and it takes longer
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
	// Brief and BriefMean say the same of cohort.BriefSpan, of the tokens of a request.
	Brief     bool
	BriefMean [cohort.NumMoments]float64
}

// Table holds the users of one partition: those with rows of late as they are, all others packed.
type Table struct {
	index      dense.Index
	seats      dense.Column[seat] // by number; who comes for somebody takes their place
	packed     dense.Pages
	active     []*User // users that are not packed
	activeHand int
	room       int      // how many those may be
	away       []uint32 // users that are packed though their bucket is open; some may be back
	spare      []*User
	spareFlags []*flagState
	closing    []*User // scratch of Close
	record     []byte  // and of rest
	leaves     []*cohort.Leaf
	leafNumber map[*cohort.Leaf]uint32
	changes    state.Changes // of the pieces of users at rest
	marked     marked
	watch      map[uint32]*watched // by number: of whom something was said

	hand    uint32 // where the next to go is looked for
	most    int
	Evicted int64  // users given up for room
	logs    spread // of the logarithm of a bucket's volume
	peers   peers
	scratch Moments // of what was measured last
	Moments func(*Moments)
	Say     func(Finding)
	Limits  Limits
	// SuspectRows is how many of a user's rows must bear a flag until that is said.
	SuspectRows uint16
	weighed     func(Finding) // sees every weighing of a known user, strong or not
}

// seat says where a user is, and when the user was last seen, in grains.
type seat struct {
	at   dense.Ref // of what is packed, or isActive and the place in active
	last uint32
}

const isActive = dense.Ref(127 << 25)

// NewTable returns an empty table; moments and say take what it finds.
func NewTable(moments func(*Moments), say func(Finding)) *Table {
	t := &Table{
		most: MaxUsers, room: MaxActive, leaves: []*cohort.Leaf{nil}, leafNumber: map[*cohort.Leaf]uint32{}, watch: map[uint32]*watched{},
		Moments: moments, Say: say, Limits: DefaultLimits(), SuspectRows: SuspectRows, peers: newPeers(),
	}
	t.packed.Moved = func(number uint32, to dense.Ref) { t.seats.At(number).at = to }
	return t
}

// Observe has fn see every weighing of a known user, whether it cries or not.
func (t *Table) Observe(fn func(Finding)) { t.weighed = fn }

// Len returns the number of users held.
func (t *Table) Len() int { return t.index.Len() }

// user returns a user's state, out of its packing, nil if unknown. It must not be kept past the next Close.
func (t *Table) user(id string) *User {
	n, ok := t.index.Find(xxhash.Sum64String(id))
	if !ok {
		return nil
	}
	if at := t.seats.At(n).at; at >= isActive {
		return t.active[at-isActive]
	}
	return t.wake(n, id)
}

// View returns what is known of a user at an event time, false if unknown. It changes nothing: who is at rest stays so.
func (t *Table) View(id string, at int64) (v View, known bool) {
	n, ok := t.index.Find(xxhash.Sum64String(id))
	if !ok {
		return v, false
	}
	s := t.seats.At(n)
	if s.at >= isActive {
		return t.active[s.at-isActive].view(at), true
	}
	var u User
	leaf, _, err := u.unpack(t.packed.At(s.at), int64(s.last)*grain)
	if err != nil || int(leaf) >= len(t.leaves) {
		panic(fmt.Sprintf("profile: user %d: %v", n, err)) // what pack wrote can be read
	}
	u.leaf = t.leaves[leaf]
	return u.view(at), true
}

// Fold counts a charge row of leaf, with its flags and quote. Cost: one look-up, no allocation for a known user.
func (t *Table) Fold(e *event.Event, leaf *cohort.Leaf, flags cohort.Flags, q price.Quote) Row {
	u := t.user(e.User)
	if u == nil {
		u = t.admit(e)
	}
	t.touchActive(u)
	var r Row
	b := e.Time - e.Time%Bucket
	if b > u.bucket {
		t.close(u)
	}
	if !u.open() {
		u.key = append(u.key[:0], e.User...) // a bucket is said by the id of its first row, should two ever share a hash
	}
	if b > u.bucket {
		u.short.fade(b - u.bucket)
		u.bucket = b
		if no := int32(b / day); no != u.dayNo {
			if u.newDay(no, t.held(u)) {
				t.accept(u)
			}
			u.settle()
		}
	}
	if e.Time-u.LastAt > 0 && u.LastAt > 0 && u.now.Rows > 0 {
		u.gaps.observe(float32(float64(e.Time-u.LastAt) / 1e9))
	}
	cold := e.Time-u.LastAt > cacheLife
	u.LastAt = max(u.LastAt, e.Time)
	r.NewHour = u.tick(e.Time)
	if u.leaf != leaf {
		t.numberOf(leaf) // now, so that numbers do not tell who was packed or kept when
		u.leaf = leaf
	}

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
	if e.TurnID != "" && u.turn(e.TurnID) {
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
	novel, strange := u.identify(e)
	if novel {
		value := e.Credits.Float64()
		if q.Known {
			value = q.Expected.Float64()
		}
		u.novelNow += float32(value)
		u.novelAwake |= 1
		if strange {
			u.strangeNow += float32(value)
			t.meet(u, e.Time)
		}
	}
	if len(t.watch) > 0 {
		if w := t.watch[u.seat]; w != nil {
			w.row(e)
		}
	}
	if flags != 0 {
		t.flag(u, e, flags, q, &r)
	}
	if !again && e.Kind == event.Usage && e.Status == event.OK && e.HasTokens && !r.Unprompted && !strange && !u.isAnother() {
		r.Tokens = t.tokens(u, e, cold)
	}
	return r
}

// accept ends what was held against a user and says so.
func (t *Table) accept(u *User) {
	f := Finding{Kind: Accepted, User: string(u.key), Leaf: u.leaf, At: u.bucket, Since: u.since, Expected: float64(u.past.volume() / max(u.past.Buckets, 1))}
	if w := t.watch[u.seat]; w != nil {
		f.Last = w.last
		delete(t.watch, u.seat)
	}
	u.accept()
	f.Observed = float64(u.past.volume() / max(u.past.Buckets, 1))
	if f.Expected > 0 {
		f.Ratio = f.Observed / f.Expected
	}
	t.Say(f)
}

func (t *Table) admit(e *event.Event) *User {
	if t.Len() >= t.most {
		t.evict()
	}
	n := t.index.Next()
	t.seats.Grow(n + 1)
	t.touch(n, false)
	t.index.Add(xxhash.Sum64String(e.User))
	u := t.activate(n, e.User)
	u.FirstAt, u.bucket, u.dayNo = e.Time-e.Time%grain, e.Time-e.Time%Bucket, int32(e.Time/day)
	u.created = int32(e.AccountCreated / day)
	return u
}

// evict gives up the longest silent of the next 16 users. A sample is enough: what matters is that the busy stay; and that it is
// the same sample whenever the same rows are read.
func (t *Table) evict() {
	victim, silent := t.hand, t.lastAt(t.hand)
	for range 16 {
		if at := t.lastAt(t.hand); at < silent {
			victim, silent = t.hand, at
		}
		t.hand = (t.hand + 1) % t.index.Cap()
	}
	t.touch(victim, false)
	if at := t.seats.At(victim).at; at >= isActive {
		t.touchActive(t.active[at-isActive])
		t.retire(t.active[at-isActive])
	} else {
		t.packed.Free(at)
	}
	t.index.Remove(victim)
	delete(t.watch, victim)
	t.Evicted++
}

func (t *Table) lastAt(number uint32) int64 {
	s := t.seats.At(number)
	if s.at >= isActive {
		return t.active[s.at-isActive].LastAt
	}
	return int64(s.last) * grain
}

// close ends a user's bucket: measures it against the past, weighs the evidence, and folds it into the windows.
func (t *Table) close(u *User) {
	if !u.open() {
		return
	}
	t.touchActive(u)
	c := &u.now
	c.Buckets = 1
	t.teach(u)
	base := u.base()
	if base.Buckets >= minPast && base.Requests >= minRequests && u.leaf != nil && u.strangeNow == 0 && !u.isAnother() {
		t.measure(u, c, &base)
	}
	even := u.even()
	t.weigh(u, c, &base, even)
	if u.flags != nil {
		righted := u.flags.fade(c, u.past.Buckets >= minPast, t.SuspectRows)
		for f := range cohort.NumFlags {
			if righted.Has(f) {
				t.Say(Finding{Kind: Righted, User: string(u.key), Leaf: u.leaf, Flag: f, At: u.bucket + Bucket})
			}
		}
	}
	u.short.add(c)
	u.today.add(c, 1)
	u.standing.add(c, 1)
	u.now, u.gaps, u.novelNow, u.strangeNow = Counts{}, spread{}, 0, 0
	u.settle()
}

// measure compares the bucket with the user's past. Every measure is a log-ratio shrunk to 0 by one unit of the past, so
// that a bucket of one request says little.
func (t *Table) measure(u *User, c, b *Counts) {
	m := &t.scratch
	*m = Moments{Leaf: u.leaf, At: u.bucket + Bucket}
	asked, askedPast := c.asked(), b.asked()
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

// Close ends every open bucket that lies wholly before at, by user id, and packs who has had no row for a bucket or two.
func (t *Table) Close(at int64) {
	were := len(t.active)
	t.closing = t.closing[:0]
	for _, u := range t.active {
		if u.open() && u.bucket+Bucket <= at {
			t.closing = append(t.closing, u)
		}
	}
	slices.SortFunc(t.closing, func(a, b *User) int { return bytes.Compare(a.key, b.key) })
	for _, u := range t.closing {
		t.close(u)
	}
	clear(t.closing)
	t.closeAway(at)
	for _, u := range slices.Backward(t.active) { // the last takes the place of one that goes
		if u.bucket+2*Bucket <= at {
			t.rest(u)
		}
	}
	t.trim(were)
}
