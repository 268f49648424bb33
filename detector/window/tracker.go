package window

import (
	"math"
	"time"

	"github.com/drainwatch/drainwatch/detector/dense"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Bounds of a tracker.
const (
	Bytes    = 64        // of a user, the table's share included
	MaxUsers = 2_000_000 // more are not followed until others have been forgotten
)

const (
	nearby   = 10        // seconds within which the order of two charges is not certain
	jitter   = 60        // seconds by which the end of one window may be told differently
	overdue  = 120       // seconds after its end from which a window that still stands is a fault
	forget   = 8 * 86400 // seconds of silence after which a user is forgotten
	sweeping = 6 * 3600  // seconds between two looks for them

	relative = 0.25   // of what the charges come to, within which a gauge is right
	least    = 0.0005 // of a window, below which neither gauge nor charges say anything
	full     = 0.9995
)

// Kind says what is wrong with a gauge.
type Kind uint8

// The kinds of fault.
const (
	None Kind = iota
	Fast      // it moved more than the charges come to
	Slow      // it moved less
	Kept      // it did not start from zero when its window ended or a reset was made
)

// Reading is what a row reveals of its user's gauge.
type Reading struct {
	Judged bool // a gauge was held against the charges: it could have been found wrong
	Kind   Kind
	At     int64 // event time of what was judged, to the second: the row before, or this one

	// Of a judged reading, in millionths of a window: how far the gauge moved, and what the charges come to at most.
	Shown, Due int64

	// Of the first row after a window's end whose gauge shows another one, or should by then: when the window ended, and the event time of
	// the row before, both to the second; else 0.
	Stood, Ended int64
}

// Options configure a tracker.
type Options struct {
	Budgets map[string]event.Credits // by plan, for its shortest window; others are learned
	Wait    time.Duration            // how much later than a row one that precedes it may come
}

// Tracker follows the gauges of one partition's users.
type Tracker struct {
	users   dense.Table[user]
	plans   plans
	wait    uint32
	sweepAt uint32
}

// New returns an empty tracker.
func New(o Options) *Tracker {
	return &Tracker{plans: newPlans(o.Budgets), wait: uint32(max(o.Wait/time.Second, nearby))}
}

// Follow returns an empty tracker with the budgets that t knows now, for rows that are read again in the order of their times:
// it judges without waiting for stragglers, so it finds more. It learns no more, and may be used beside t.
func (t *Tracker) Follow() *Tracker {
	return &Tracker{plans: t.plans.frozen(), wait: nearby}
}

// Len returns the number of users followed.
func (t *Tracker) Len() int { return t.users.Len() }

// user is the state of one user. Credits are float32: seven digits, for a comparison within a quarter, never for money owed.
type user struct {
	hi     float32 // credits since the window began, or since its first reading: the most that may count
	slack  float32 // of those, what may not count
	recent float32 // of those, what came close together up to the last row
	loose  float32 // credits since the last row with a gauge: they may belong to the window that the next one shows
	anchor float32 // gauge that hi counts from

	// The reading that waits to be judged; none where readAt is 0.
	gauge, readHi, readLo float32
	readAt                uint32

	resets uint32 // end of the window; 0 after a reset, until a row shows the new one
	last   uint32 // latest row
	before uint16 // gauge at the end of the window before, in 65535ths
	plan   uint8
	bits   uint8
}

const (
	partial uint8 = 1 << iota // the window's beginning was not seen: hi counts from its first reading
	taught                    // the window has taught its plan's budget
	wrong                     // what was last judged of the window was wrong
)

// Charge is what a row may count for in a window.
type Charge struct {
	Most event.Credits // more than what was charged where the charge is doubted
	Sure bool          // it counts for what was charged, and for nothing else
}

// Row counts a row of a user and returns what it reveals. The row must be counted once. Cost: one look-up.
func (t *Tracker) Row(key uint64, e *event.Event, c Charge) Reading {
	gauged := e.HasQuota && e.QuotaResets > 0 && e.Kind != event.Reset
	if !gauged && t.users.Len() == 0 {
		return Reading{}
	}
	at, ok := seconds(e.Time)
	u := t.users.Get(key)
	if !ok || u == nil && !gauged {
		return Reading{}
	}
	plan := t.plans.of(e.Dims[event.Plan])
	if u == nil {
		if t.users.Len() < MaxUsers {
			t.users.Add(key).start(e, at, plan)
		}
		return Reading{}
	}
	if e.Kind == event.Reset {
		t.reset(key, u, at)
		return Reading{}
	}
	r := t.settle(u, at)
	last, ended, moved, turned := u.last, u.resets, u.end(e) != u.resets, gauged && plan == u.plan && u.turned(e, at)
	u.meet(at, e.Credits, c)
	switch {
	case !gauged || at <= u.last:
		u.add(at, e.Credits, Charge{Most: c.Most, Sure: c.Sure && at > u.last})
		u.loose += float32(max(c.Most, e.Credits, 0).Float64())
		u.last = max(u.last, at)
	case plan != u.plan || u.fell(e, at) || u.mended(e):
		u.start(e, at, plan)
	case at > u.end(e)+overdue:
		r = Reading{Judged: true, Kind: Kept, At: e.Time}
		u.add(at, e.Credits, c)
		u.last, u.loose, u.readAt = at, 0, 0
		u.bits |= wrong
	default:
		u.read(e, at, c)
	}
	if turned && (moved || r.Kind == Kept && r.At == e.Time) {
		r.Stood, r.Ended = int64(last)*int64(time.Second), int64(ended)*int64(time.Second)
	}
	return r
}

// Late counts a row that came too late for its place to be known: it may count for the window or not.
func (t *Tracker) Late(key uint64, e *event.Event) {
	if u := t.users.Get(key); u != nil && e.Credits > 0 {
		x := float32(e.Credits.Float64())
		u.hi, u.slack, u.loose = u.hi+x, u.slack+x, u.loose+x
		if u.readAt != 0 {
			u.readHi += x
		}
	}
}

// Advance forgets who has been silent for long, and takes what was read into the learned budgets. It is due about hourly.
func (t *Tracker) Advance(head int64) {
	at, ok := seconds(head)
	if !ok {
		return
	}
	t.plans.learn(at)
	if at < t.sweepAt {
		return
	}
	t.sweepAt = at + sweeping
	t.users.Keep(func(u *user) bool { return u.last+forget >= at })
}

// seconds returns Unix seconds of a time that fits its state.
func seconds(t int64) (uint32, bool) {
	s := t / int64(time.Second)
	return uint32(s), s > 0 && s < math.MaxUint32-forget
}

// start follows a window from a row on, whatever came before. What was charged within seconds of it may not stand in its gauge yet.
func (u *user) start(e *event.Event, at uint32, plan uint8) {
	end, _ := seconds(e.QuotaResets)
	near := u.recent
	if at > u.last+nearby {
		near = 0
	}
	*u = user{hi: near, slack: near, anchor: float32(e.QuotaUsed), resets: end, last: at, plan: plan, bits: partial}
}

// end returns the end of the window that a row shows, and u's own where that is told a little differently.
func (u *user) end(e *event.Event) uint32 {
	end, ok := seconds(e.QuotaResets)
	if !ok || end+jitter >= u.resets && end <= u.resets+jitter {
		return u.resets
	}
	return end
}

// reset lets the windows start afresh. What was charged within seconds of it may count for either.
func (t *Tracker) reset(key uint64, u *user, at uint32) {
	if at < u.last {
		t.users.Remove(key) // rows that follow it have been counted: begin anew with the next
		return
	}
	*u = user{last: at + nearby, plan: u.plan, before: u.level()}
}

// level returns the latest gauge in 65535ths.
func (u *user) level() uint16 { return uint16(max(u.gauge, u.anchor) * math.MaxUint16) }

// add counts a charge.
func (u *user) add(at uint32, credits event.Credits, c Charge) {
	if at > u.last+nearby {
		u.recent = 0
	}
	least, most := float32(credits.Float64()), float32(credits.Float64())
	if !c.Sure || credits < 0 {
		most = float32(max(credits, c.Most, 0).Float64())
		least = min(least, 0)
	}
	u.hi += most
	u.slack += most - least
	if c.Sure {
		u.recent += most
	}
}

// meet lets a row count for the reading that waits, where it may precede it.
func (u *user) meet(at uint32, credits event.Credits, c Charge) {
	if u.readAt != 0 && at <= u.readAt+nearby {
		u.readHi += float32(max(c.Most, credits, 0).Float64())
		u.readLo += float32(min(credits, 0).Float64())
	}
}

// read takes the gauge of a row: of the window that stands, or of a new one that starts from zero.
func (u *user) read(e *event.Event, at uint32, c Charge) {
	switch end := u.end(e); {
	case u.resets == 0:
		u.resets = end
	case end != u.resets:
		*u = user{hi: u.loose, slack: u.loose, resets: end, last: u.last, plan: u.plan, before: u.level()}
	}
	if at > u.last+nearby {
		u.recent = 0
	}
	before := u.recent
	u.add(at, e.Credits, c)
	if u.readAt == 0 {
		u.readAt, u.gauge, u.readHi, u.readLo = at, float32(e.QuotaUsed), u.hi, u.hi-u.slack-before
	}
	u.loose, u.last = 0, at
}

// turned says whether a row is the first that shows whether the window that stands was followed by another when it ended.
func (u *user) turned(e *event.Event, at uint32) bool {
	if u.resets == 0 || at < u.resets {
		return false
	}
	if u.end(e) == u.resets {
		return at > u.resets+overdue && (u.last <= u.resets+overdue || u.bits&wrong == 0)
	}
	return u.last < u.resets
}

// mended says whether a row shows another window than one that was wrong: it may have begun long before, unseen.
func (u *user) mended(e *event.Event) bool {
	return u.bits&wrong != 0 && u.resets != 0 && u.end(e) != u.resets && e.Time < e.QuotaResets
}

// fell says whether the gauge fell within its window: a reset that no row told of, to the user's advantage.
func (u *user) fell(e *event.Event, at uint32) bool {
	g := float32(e.QuotaUsed)
	return u.resets != 0 && u.end(e) == u.resets && u.gauge > 0 && at > u.readAt+nearby && g < u.gauge-resolution(g)-resolution(u.gauge)-least
}
