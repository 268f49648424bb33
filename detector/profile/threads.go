package profile

import (
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dense"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Bounds of what is remembered of conversations: at least threadLife after its last request a conversation is forgotten, and of
// at most 2·threadsMost of a partition something is known. One costs some 60 bytes.
const (
	threadLife  = cohort.Hour
	threadsMost = 1 << 19
	doubtsMost  = 1 << 16
	leastAnswer = 16 // tokens of an answer by which a conversation must have grown to say something
	farAnswers  = 3  // more answers as long as the one before, than which what seems to be missing is longer: so far off no count of them is
)

// Threads follows conversations: the requests of a user's session, each of which repeats what was said before. That tells of
// rows that nobody sees. Input that was read from a cache had been sent before, so a request whose cached input is longer than
// all that its session was ever charged for follows one that is missing (cohort.Gap); where it is longer by a quarter, only the
// session's second time counts, as tokens that are suddenly counted twice do that once. So does a tool's or a subagent's request
// whose turn nobody has begun. And a request contains the answer before it: input that grew by less than that answer was not
// counted in full (cohort.Short), unless a subagent makes one of them: those of a session work side by side, each in a conversation of
// its own.
//
// Rows may come out of order, so a gap is doubted for as long as rows may be late, and said only then. One goroutine owns
// a Threads.
type Threads struct {
	wait       int64 // how late rows may be
	since      int64 // time of the first row
	young, old *dense.Table[thread]
	turnedAt   int64
	doubts     []doubt        // by when they came up
	open       map[uint64]int // of those, unsettled ones by conversation
	bore, had  *dense.Table[borne]
	boreAt     int64
}

// thread is what is known of a session.
type thread struct {
	at      int64
	longest int32 // input and answer of the longest request so far,
	said    int32 // and that answer
	before  int32 // the same without the latest request
	input   int32 // the longest of its turn that went well,
	answer  int32 // and its answer, as far as the next request repeats it
	leapt   bool  // read more from the cache than was charged for
	turn    uint32
	last    uint32 // the turn before: a review of it may come in the middle of the next
}

// doubt is a request that seems to follow one that is missing.
type doubt struct {
	thread, user uint64
	at           int64
	cached       int32  // input that some request must have sent, 0 once one has
	turn         uint32 // turn that some request must have begun, 0 alike
	far          bool   // no answer that was counted too low explains it
	leaf         *cohort.Leaf
}

// borne says when a user last counted anew for Gap and Short, in hours and in days.
type borne [2]struct{ hour, day int32 }

// Fresh says whether a user bears a flag for the first time within an hour, a day.
type Fresh struct{ Hour, Day bool }

// Note is what a row says of the one before it. Of those that Follow, Gaps tells later which stand alone.
type Note struct {
	Follows, Grows bool // it could show a gap, and does not seem to; it could be short
	Short          bool
	Fresh          Fresh // of Short

	unbegun, fell bool // nobody has begun its turn; its input is shorter than before in its turn
}

// Gap is a request whose predecessor is missing, or was late (Settled).
type Gap struct {
	Leaf    *cohort.Leaf
	At      int64
	Settled bool
	Far     bool // and no answer that was counted too low, or input that was counted too high, explains it
	Fresh   Fresh
}

// NewThreads returns an empty memory of conversations, whose rows may be late by wait.
func NewThreads(wait int64) *Threads {
	return &Threads{
		wait: wait, young: new(dense.Table[thread]), old: new(dense.Table[thread]), open: map[uint64]int{},
		bore: new(dense.Table[borne]), had: new(dense.Table[borne]),
	}
}

// Late notes a row that is too late to be counted: it is no gap.
func (t *Threads) Late(user uint64, e *event.Event) {
	if e.Session != "" {
		t.settle(threadKey(user, e), e.Time, size(e), turnOf(e))
	}
}

// Row folds a usage row of leaf; user is the hash of its user, newTurn says that its turn is new to the user: one that began in a
// session of another name goes on. Cost: two map look-ups, no allocation for a known conversation.
func (t *Threads) Row(user uint64, e *event.Event, leaf *cohort.Leaf, newTurn bool) (n Note) {
	if e.Session == "" || e.Kind != event.Usage || !e.HasTokens {
		return n
	}
	key := threadKey(user, e)
	var x thread
	at := t.young.Get(key)
	known := at != nil
	if known {
		x = *at
	} else if was := t.old.Peek(key); was != nil {
		x, known = *was, true
	}
	length, well, turn := size(e), e.Status == event.OK, turnOf(e)
	prompt := e.Dims[event.Origin] == "user" // it may begin anew, whatever was said before
	if e.Time <= x.at {
		t.settle(key, e.Time, length, turn)
	}
	if t.since == 0 {
		t.since = e.Time
	}
	if d := (doubt{thread: key, user: user, at: e.Time, leaf: leaf}); well && e.Time >= x.at {
		n.Follows = t.follows(e, &x, &d, known, newTurn)
		n.unbegun = d.turn != 0
		if d.doubted() && t.doubt(d) {
			n.Follows = false
		}
		if in := clamp(e.Input); known && turn == x.turn && !prompt && repeats(e) && in > x.input && x.answer >= leastAnswer {
			n.Grows, n.Short = true, in-x.input < x.answer
		} else {
			n.fell = known && turn == x.turn && in < x.input
		}
	}
	if n.Short {
		n.Fresh = t.fresh(user, 1, e.Time)
	}
	x.before = max(x.before, x.longest)
	if turn != 0 && turn != x.turn && turn != x.last {
		x.last, x.turn, x.input, x.answer = x.turn, turn, 0, 0
	} else if prompt && turn == x.turn {
		x.input, x.answer = 0, 0
	}
	if answer, in := clamp(e.Output-e.Reasoning), clamp(e.Input); well && e.Time >= x.at && turn == x.turn && e.Dims[event.Origin] != "subagent" {
		switch {
		case in > x.input:
			x.input, x.answer = in, answer
		case in == x.input:
			x.answer = min(x.answer, answer) // asked again: one of the answers goes on
		}
	}
	if length > x.longest {
		x.longest, x.said = length, clamp(e.Output)
	}
	x.at = max(x.at, e.Time)
	if t.young.Len() >= threadsMost {
		t.turn(x.at)
		at = nil
	}
	if at == nil {
		at = t.young.Add(key)
	}
	*at = x
	return n
}

// follows says whether a row tells if the request before it was charged for, and puts into d what is missing if it was not. What
// a client asks on its own, or again after a failure, says nothing: the meter may count it otherwise.
func (t *Threads) follows(e *event.Event, x *thread, d *doubt, known, newTurn bool) (tells bool) {
	begun := e.TurnID == "" || !newTurn && !known || turnOf(e) == x.turn || turnOf(e) == x.last || !known && e.Time-t.since < 2*threadLife
	switch e.Dims[event.Origin] {
	case "tool", "subagent":
		if !begun {
			d.turn = turnOf(e)
		}
	case "user", "":
	default:
		return false
	}
	tells = !begun && e.Dims[event.Origin] != ""
	cached := clamp(e.Cached)
	switch {
	case !known || cached <= x.before, e.TurnID != "" && (e.Dims[event.Origin] == "user" || turnOf(e) != x.turn):
		return tells // a prompt may come from elsewhere: a script's have nothing to do with each other but what they share
	case cached <= x.longest:
		return true
	case x.leapt || cached < x.longest+x.longest/4:
		d.cached, d.far = cached, int64(cached-x.longest) > farAnswers*int64(x.said)
		return true
	}
	x.leapt = true
	return tells
}

// repeats says whether a request contains what was said before it: one that is made again, or that a subagent or the client makes for
// itself, need not.
func repeats(e *event.Event) bool {
	switch e.Dims[event.Origin] {
	case "", "user", "tool":
		return true
	}
	return false
}

func (d *doubt) doubted() bool { return d.cached != 0 || d.turn != 0 }

func threadKey(user uint64, e *event.Event) uint64 {
	return (user ^ bits.RotateLeft64(xxhash.Sum64String(e.Session), 17)) * 0x9e3779b97f4a7c15 // all bits count in a table
}

// turnOf returns the hash of a row's turn, 0 without one.
func turnOf(e *event.Event) uint32 {
	if e.TurnID == "" {
		return 0
	}
	return hash32(e.TurnID)
}

func size(e *event.Event) int32 { return clamp(e.Input + e.Output) }

func clamp(n int64) int32 { return int32(min(max(n, 0), math.MaxInt32)) }

// doubt remembers a row that seems to follow a missing one, unless there are too many of them.
func (t *Threads) doubt(d doubt) bool {
	if len(t.doubts) >= doubtsMost {
		return false
	}
	t.doubts = append(t.doubts, d)
	t.open[d.thread]++
	return true
}

// settle drops the doubts that a row explains which is earlier than they are.
func (t *Threads) settle(key uint64, at int64, length int32, turn uint32) {
	if t.open[key] == 0 {
		return
	}
	for i := range t.doubts {
		d := &t.doubts[i]
		if d.thread != key || !d.doubted() || at > d.at {
			continue
		}
		if length >= d.cached {
			d.cached = 0
		}
		if turn == d.turn {
			d.turn = 0
		}
		if !d.doubted() {
			t.close(key)
		}
	}
}

func (t *Threads) close(key uint64) {
	if t.open[key]--; t.open[key] <= 0 {
		delete(t.open, key)
	}
}

// Gaps calls fn with the doubts that no row can settle any more, once head is the greatest event time, and forgets them.
func (t *Threads) Gaps(head int64, fn func(Gap)) {
	n := 0
	for n < len(t.doubts) && t.doubts[n].at+t.wait <= head {
		d := &t.doubts[n]
		g := Gap{Leaf: d.leaf, At: d.at, Settled: !d.doubted(), Far: d.turn != 0 || d.far}
		if !g.Settled {
			t.close(d.thread)
			g.Fresh = t.fresh(d.user, 0, d.at)
		}
		fn(g)
		n++
	}
	if n > 0 {
		t.doubts = append(t.doubts[:0], t.doubts[n:]...)
	}
}

// fresh says whether a user counts anew within an hour and a day.
func (t *Threads) fresh(user uint64, k int, at int64) (f Fresh) {
	b := t.bore.Get(user)
	if b == nil {
		var was borne
		if old := t.had.Peek(user); old != nil {
			was = *old
		}
		if t.bore.Len() >= threadsMost {
			t.forgetBorne()
		}
		b = t.bore.Add(user)
		*b = was
	}
	minute := int32(at / 60e9)
	if x := &b[k]; minute-x.day >= 24*60 {
		f.Day, x.day = true, minute
	}
	if x := &b[k]; minute-x.hour >= 60 {
		f.Hour, x.hour = true, minute
	}
	return f
}

// Advance forgets conversations and users of whom nothing was heard for long, as of head.
func (t *Threads) Advance(head int64) {
	if head-t.turnedAt >= threadLife {
		t.turn(head)
	}
	if head-t.boreAt >= day {
		t.forgetBorne()
		t.boreAt = head
	}
}

// forgetBorne makes what users bore lately what they had.
func (t *Threads) forgetBorne() {
	t.had, t.bore = t.bore, new(dense.Table[borne])
	t.had.Renew() // it is kept under another name
}

// turn makes what is remembered the older half, and forgets what was.
func (t *Threads) turn(at int64) {
	t.old, t.young, t.turnedAt = t.young, new(dense.Table[thread]), at
	t.old.Renew() // it is kept under another name
}
