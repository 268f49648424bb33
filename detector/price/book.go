package price

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Tolerance is the relative difference between charge and list value that still counts as priced right.
const Tolerance = 0.02

// Change is a planned change of price: rows that fit Where between From and To are expected to cost Factor times the list, or
// what an entry of the rate card says that comes into force in that time: it may be the same change.
type Change struct {
	From, To time.Time
	Where    map[event.Dim]string
	Factor   float64
}

// Quote is what a row should have cost.
type Quote struct {
	Expected event.Credits // list value, rounded as the meter rounds
	Full     event.Credits // the same with cached input at the full input price
	Output   event.Credits // what the output's part of Expected is, not rounded to the meter's unit
	Slack    event.Credits // differences up to this are rounding and noise
	Exact    bool          // Expected is right to the last unit: any other charge is wrong
	Rough    bool          // the learned price is not known to the unit: one row off it proves nothing
	Known    bool          // false: no rate card entry fits and no price has been learned yet
	Card     bool          // from the rate card rather than learned
}

// Off says whether a charge c is off the quote.
func (q Quote) Off(c event.Credits) bool {
	d := c - q.Expected
	return d > q.Slack || -d > q.Slack
}

// LostDiscount says whether c is what the row costs without its discount for cached input, and is not what it costs with it.
func (q Quote) LostDiscount(c event.Credits) bool {
	if q.Full-q.Expected <= 2*q.Slack {
		return false
	}
	d := c - q.Full
	slack := max(q.Slack, event.Credits(float64(q.Full)*Tolerance/2))
	return d <= slack && -d <= slack
}

// Book prices rows. The zero value is not usable; call NewBook.
type Book struct {
	byModel  map[string][]compiled
	any      []compiled // entries without a model
	changes  []Change
	learned  map[string]*learner
	noise    noise // of charges about the rate card
	votes    [numRoundings]int
	voted    int
	rounding Rounding
	frozen   bool
}

type compiled struct {
	vector
	from  int64
	conds []cond
	round event.Credits
}

type cond struct {
	dim   event.Dim
	value string
}

// NewBook returns a book over a rate card (nil: every price is learned) and planned price changes.
func NewBook(card []Entry, changes []Change) *Book {
	b := &Book{byModel: map[string][]compiled{}, changes: changes, learned: map[string]*learner{}}
	for _, e := range card {
		c := compiled{
			vector: vector{int64(e.Input), int64(e.Cached), int64(e.CacheWrite), int64(e.Output)},
			round:  e.Round, conds: conds(e.Where),
		}
		if !e.From.IsZero() {
			c.from = e.From.UnixNano()
		}
		if e.Model == "" {
			b.any = append(b.any, c)
		} else {
			b.byModel[e.Model] = append(b.byModel[e.Model], c)
		}
	}
	for _, list := range b.byModel {
		bySpecificity(list)
	}
	bySpecificity(b.any)
	return b
}

// HasCard says whether any price was given rather than learned.
func (b *Book) HasCard() bool { return len(b.byModel)+len(b.any) > 0 }

func conds(where map[event.Dim]string) []cond {
	var out []cond
	for d := range event.NumDims {
		if v, ok := where[d]; ok {
			out = append(out, cond{d, v})
		}
	}
	return out
}

func bySpecificity(list []compiled) {
	slices.SortStableFunc(list, func(x, y compiled) int {
		return cmp.Or(cmp.Compare(len(y.conds), len(x.conds)), cmp.Compare(y.from, x.from))
	})
}

func find(list []compiled, e *event.Event) *compiled {
next:
	for i := range list {
		if e.Time < list[i].from {
			continue
		}
		for _, c := range list[i].conds {
			if e.Dims[c.dim] != c.value {
				continue next
			}
		}
		return &list[i]
	}
	return nil
}

// entry returns the rate card's most specific entry that fits e, nil if none does. A model is a condition like others.
func (b *Book) entry(e *event.Event) *compiled {
	c := find(b.byModel[e.Dims[event.Model]], e)
	if other := find(b.any, e); other != nil && (c == nil || len(other.conds) > len(c.conds)+1) {
		return other
	}
	return c
}

// Quote returns what e should have cost. A row without token fields has no list value: it is unknown. Cost: O(entries of
// its model), no allocation.
func (b *Book) Quote(e *event.Event) Quote {
	if !e.HasTokens {
		return Quote{}
	}
	var q Quote
	since := int64(math.MinInt64)
	if c := b.entry(e); c != nil {
		since = c.from
		q = b.quote(c.vector, c.round, b.noise.spread, e)
		q.Card, q.Exact = true, b.noise.exact
	} else {
		l := b.learned[e.Dims[event.Model]]
		if l == nil {
			return Quote{}
		}
		f := l.pick(e)
		if f == nil || !f.covers(e) || l.untried(e) {
			return Quote{}
		}
		q = b.quote(f.vector, f.round, f.spread, e)
		q.Slack = max(q.Slack, f.abs)
		q.Rough = f.spread > 0 || f.abs > 2*f.round
	}
	for i := range b.changes {
		c := &b.changes[i]
		if !c.fits(e) {
			continue
		}
		if planned := q.scale(c.Factor); since < c.From.UnixNano() || !planned.Off(e.Credits) {
			q = planned
		}
	}
	return q
}

func (b *Book) quote(v vector, round event.Credits, spread float64, e *event.Event) Quote {
	q := Quote{Known: true, Expected: v.list(e, false).round(round, b.rounding)}
	q.Full = q.Expected
	q.Output = v.output1(e)
	if e.Cached > 0 && v.cached < v.input {
		q.Full = v.list(e, true).round(round, b.rounding)
	}
	q.Slack = max(event.Credits(float64(q.Expected)*max(Tolerance, spread)), round, 1)
	return q
}

func (q Quote) scale(f float64) Quote {
	q.Expected, q.Full, q.Output = times(q.Expected, f), times(q.Full, f), times(q.Output, f)
	q.Slack = max(times(q.Slack, max(f, 1)), 1)
	return q
}

// times returns c times f, rounded, and the greatest amount where that is beyond all money.
func times(c event.Credits, f float64) event.Credits {
	x := math.Round(float64(c) * f)
	if x >= 1<<63 {
		return math.MaxInt64
	}
	return event.Credits(x)
}

func (c *Change) fits(e *event.Event) bool {
	if e.Time < c.From.UnixNano() || e.Time >= c.To.UnixNano() {
		return false
	}
	for d, v := range c.Where {
		if e.Dims[d] != v {
			return false
		}
	}
	return true
}

// roundingSample is how many telling rows decide how the meter rounds.
const roundingSample = 2048

// Observe learns from a row that was charged once, for a request that went well. Rows in a planned change of price teach
// nothing: they are not charged by the list.
func (b *Book) Observe(e *event.Event) {
	if b.frozen || !e.HasTokens || e.Credits <= 0 || e.Input+e.Output == 0 {
		return
	}
	for i := range b.changes {
		if b.changes[i].fits(e) {
			return
		}
	}
	if c := b.entry(e); c != nil {
		b.vote(c.vector, c.round, e)
		b.noise.observe(e.Credits, c.list(e, false).round(c.round, b.rounding), c.round)
		return
	}
	model := e.Dims[event.Model]
	l := b.learned[model]
	if l == nil {
		if len(b.learned) >= maxModels {
			return
		}
		l = newLearner()
		b.learned[strings.Clone(model)] = l
	}
	if f := l.pick(e); f != nil && f.covers(e) {
		l.try(e)
		b.vote(f.vector, f.round, e)
		if l.full || l.users[e.User] >= sampleUserMax {
			l.late(e)
			return
		}
	}
	l.observe(e)
}

// vote counts which way of rounding explains the charge, on rows where they differ: a rate card says to what a charge is
// rounded, not how a half is.
func (b *Book) vote(v vector, round event.Credits, e *event.Event) {
	if b.voted >= roundingSample || round <= 1 {
		return
	}
	w := v.list(e, false)
	lo, hi := w.round(round, Down), w.round(round, Up)
	if lo == hi || e.Credits != lo && e.Credits != hi {
		return
	}
	b.voted++
	for r := range numRoundings {
		if w.round(round, r) == e.Credits {
			b.votes[r]++
		}
	}
	for r := range numRoundings {
		if b.votes[r] > b.votes[b.rounding] {
			b.rounding = r
		}
	}
}

// Frozen returns a copy that prices as the book does now and learns no more. It may be used beside the book's owner.
func (b *Book) Frozen() *Book {
	c := &Book{byModel: b.byModel, any: b.any, changes: b.changes, learned: map[string]*learner{}, rounding: b.rounding, frozen: true, noise: b.noise}
	c.noise.sample = nil
	for model, l := range b.learned {
		if l.whole != nil {
			c.learned[model] = &learner{whole: l.whole, by: l.by, parts: l.parts, tried: l.tried}
		}
	}
	return c
}
