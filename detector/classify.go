package detector

import (
	"math/bits"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dedupe"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/window"
)

// copyWindow is how long the same tokens of a user under a new request count as a copy.
const copyWindow = time.Hour

// A request must be this large for its exact token counts to identify it.
const (
	copyMinOutput = 8    // of an answer; or
	copyMinInput  = 1000 // of a prompt, with any answer
	copyMinTokens = 200
)

// row is what one event is, by itself and against what was read before it.
type row struct {
	repeat   bool // a redelivery: not counted
	conflict bool // a redelivery with other content
	charge   bool // money was drawn: not a refund, a reset or a negative adjustment
	flags    cohort.Flags
	quote    price.Quote
	gauge    window.Reading // what it reveals of its user's gauge
}

// classifier tells redeliveries, repeated charges and wrong prices. It is a pure fold over one partition's rows, so the shard
// and booking, each with its own, say the same.
type classifier struct {
	book                   *price.Book
	learn                  bool // learn prices from the rows
	rows, requests, copies *dedupe.Set
	gauges                 *window.Tracker // nil where nobody asks for them
}

func newClassifier(o *Options, book *price.Book, learn bool, partitions int) *classifier {
	budget := o.DedupeBytes / int64(max(partitions, 1))
	return &classifier{
		book: book, learn: learn,
		rows:     dedupe.New(dedupe.Options{Window: o.DedupeWindow, MaxBytes: budget / 2}),
		requests: dedupe.New(dedupe.Options{Window: o.DedupeWindow, MaxBytes: budget / 4}),
		copies:   dedupe.New(dedupe.Options{Window: copyWindow, MaxBytes: budget / 4}),
	}
}

func (c *classifier) advance(head int64) {
	c.rows.Advance(head)
	c.requests.Advance(head)
	c.copies.Advance(head)
	if c.gauges != nil {
		c.gauges.Advance(head)
	}
}

// classify says what a row is; user is the hash of its user.
func (c *classifier) classify(e *event.Event, user uint64) row {
	r := c.judge(e)
	if c.gauges == nil || r.repeat {
		return r
	}
	// A charge that is doubted may move the gauge or not, and at its list price or as charged.
	g := c.gauges.Row(user, e, window.Charge{
		Most: max(e.Credits, r.quote.Expected),
		Sure: e.Kind == event.Usage && r.flags == 0 && e.Dims[event.Pool] == "",
	})
	if r.charge {
		r.gauge = g
		if g.Kind != window.None {
			r.flags = r.flags.With(cohort.GaugeOff)
		}
	}
	return r
}

// judge says what a row is, its gauge set aside.
func (c *classifier) judge(e *event.Event) row {
	var r row
	switch c.rows.Add(e.User, e.ID, dedupe.Content(e)) {
	case dedupe.Duplicate:
		r.repeat = true
		return r
	case dedupe.Conflict:
		r.repeat, r.conflict = true, true
		return r
	}
	switch e.Kind {
	case event.Refund, event.Reset:
		return r
	case event.Adjustment:
		r.charge = e.Credits > 0
		return r
	case event.Penalty:
		r.charge = true
		if e.Credits > 0 {
			r.flags = r.flags.With(cohort.Penalised)
		}
		return r
	}
	r.charge = true
	r.quote = c.book.Quote(e)
	r.flags = c.flags(e, r.quote)
	if c.learn && r.flags&^cohort.Flags(0).With(cohort.Over).With(cohort.Under).With(cohort.CacheLost) == 0 && e.Status == event.OK {
		c.book.Observe(e)
	}
	return r
}

// flags says what is wrong with a usage row by itself. A row that should not exist is not judged by its price.
func (c *classifier) flags(e *event.Event, q price.Quote) (f cohort.Flags) {
	if e.Status != event.OK {
		if e.Credits > 0 {
			f = f.With(cohort.FailureCharged)
		}
		return f // and the retry that goes well is no second charge
	}
	if e.Credits > 0 && e.RequestID != e.ID && c.requests.Add(e.User, e.RequestID, 0) != dedupe.First {
		return f.With(cohort.Duplicate)
	}
	if e.Credits == 0 && e.Input+e.Output == 0 {
		return f.With(cohort.Blank)
	}
	if !e.HasTokens {
		if e.Credits > 0 {
			f = f.With(cohort.NoTokens)
		}
		return f
	}
	if e.Credits > 0 && (e.Output >= copyMinOutput || e.Input >= copyMinInput && e.Output > 0) && e.Input+e.Output >= copyMinTokens && c.copies.AddKey(copyKey(e), 0) != dedupe.First {
		f = f.With(cohort.Copy)
	}
	if !q.Known || !q.Off(e.Credits) {
		return f
	}
	if e.Credits < q.Expected {
		return f.With(cohort.Under)
	}
	f = f.With(cohort.Over)
	if q.LostDiscount(e.Credits) {
		f = f.With(cohort.CacheLost)
	}
	return f
}

// copyKey names a user's request by its turn, its model and exact token counts: a charge made twice is of one turn, while a check
// that sends the same prompt every few minutes begins another each time.
func copyKey(e *event.Event) uint64 {
	h := xxhash.Sum64String(e.User) ^ bits.RotateLeft64(xxhash.Sum64String(e.Dims[event.Model]), 21) ^ bits.RotateLeft64(xxhash.Sum64String(e.TurnID), 42)
	for _, n := range [...]int64{e.Input, e.Cached, e.CacheWrite, e.Output} {
		h = bits.RotateLeft64((h^uint64(n))*0x9e3779b97f4a7c15, 29)
	}
	return h
}
