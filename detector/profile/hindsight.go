package profile

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dense"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Bounds of what is remembered of a turn.
const (
	chainRows  = 8    // its latest requests
	cacheGrain = 1024 // tokens by which less may be read from a cache than was sent: caches keep blocks
)

// Hindsight says when a fault that hides rows or tokens began, of rows that are read again in the order of their times, once it is known
// that there is one. Threads has to be sure that something is wrong before it cries; here it is enough that a row says rather one thing than
// the other, as how often quiet ones do is counted too. So each request of a tool or a subagent tells whether another one is missing
// between it and the request that it goes on from: what it read from the cache is as long as that one was, or longer than it
// though a request of its turn. One goroutine owns a Hindsight.
type Hindsight struct {
	threads    *Threads
	leaf       cohort.Leaf
	young, old *dense.Table[chain]
	turnedAt   int64
}

// chain is the latest requests of a turn.
type chain struct {
	n      int32 // ever
	rows   [chainRows]struct{ input, size int32 }
	prompt int64 // event time of the first, if its user wrote it
}

// Told is what a row tells of the requests up to it.
type Told struct {
	Tells, Shows cohort.Flags // whether it could show cohort.Gap and cohort.Short, and whether it does
	Begun        int64        // event time of the prompt that began its turn, of the first row that shows that it was charged for; else 0
}

// NewHindsight returns an empty memory.
func NewHindsight() *Hindsight {
	return &Hindsight{threads: NewThreads(0), young: new(dense.Table[chain]), old: new(dense.Table[chain])}
}

// Row takes in the next row; user is the hash of its user, newTurn says that its turn is new to the user. Cost: four map look-ups.
func (h *Hindsight) Row(user uint64, e *event.Event, newTurn bool) (t Told) {
	n := h.threads.Row(user, e, &h.leaf, newTurn)
	h.threads.Gaps(e.Time, func(Gap) {})
	h.threads.Advance(e.Time)
	if e.Session == "" || e.Kind != event.Usage || !e.HasTokens {
		return t
	}
	origin := e.Dims[event.Origin]
	// A tool's request goes on from the longest of its turn, a subagent's may begin anew.
	t.note(cohort.Short, n.Grows, n.Short || n.fell && origin == "tool")
	key := threadKey(user, e) ^ bits.RotateLeft64(xxhash.Sum64String(e.TurnID), 31)
	x := h.chain(key, e.Time)
	if e.Status == event.OK && (origin == "tool" || origin == "subagent") {
		explained, longer := x.before(e)
		t.note(cohort.Gap, explained, n.unbegun || longer && !explained)
		if x.n == 1 {
			t.Begun = x.prompt
		}
	}
	if x.n == 0 && origin == "user" {
		x.prompt = e.Time
	}
	x.rows[x.n%chainRows].input, x.rows[x.n%chainRows].size = clamp(e.Input), size(e)
	x.n++
	return t
}

func (t *Told) note(f cohort.Flag, could, does bool) {
	if does {
		t.Shows = t.Shows.With(f)
	}
	if could || does {
		t.Tells = t.Tells.With(f)
	}
}

// before says whether one of the requests before a row sent what it read from the cache, and whether it goes on from a shorter one.
func (x *chain) before(e *event.Event) (explained, longer bool) {
	cached := clamp(e.Cached)
	for _, r := range x.rows[:min(x.n, chainRows)] {
		explained = explained || cached > 0 && cached <= r.size && cached > r.input-cacheGrain
		longer = longer || cached > r.size && e.Input >= int64(r.input)
	}
	return explained, longer
}

// chain returns what is remembered of a turn, and forgets those of which nothing was heard for long.
func (h *Hindsight) chain(key uint64, at int64) *chain {
	if at-h.turnedAt >= threadLife || h.young.Len() >= threadsMost {
		h.old, h.young, h.turnedAt = h.young, new(dense.Table[chain]), at
		h.old.Renew() // it is kept under another name
	}
	if x := h.young.Get(key); x != nil {
		return x
	}
	x := h.young.Add(key)
	if was := h.old.Peek(key); was != nil {
		*x = *was
	}
	return x
}
