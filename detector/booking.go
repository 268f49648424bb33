package detector

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/detector/window"
)

// past is how far before a client's incident its users' own past is read.
const past = 7 * 24 * cohort.Hour

// claims lists the incidents whose rows are booked.
func (f *fleet) claims() []ledger.Claim {
	var out []ledger.Claim
	for _, l := range f.lives {
		if l.silentTo != 0 || l.ID == "" || l.MergedInto != "" || l.by != byFlag && l.by != byMeasure || l.Cause.Class == verdict.Organic {
			continue
		}
		c := ledger.Claim{
			Incident: l.ID, Where: l.where, User: l.user, From: l.finding.StartedAt, To: f.head,
			Flag: l.flag, ByMeasure: l.by == byMeasure, Measure: l.measure, Fault: l.fault,
		}
		if l.user != "" {
			c.Where, c.Compare = nil, true
		} else {
			c.Before, c.Compare = f.before(l)
			c.Compare = c.Compare || c.ByMeasure
		}
		if l.flag.Estimated() && !c.ByMeasure {
			c.ByMeasure, c.Measure, c.Short = true, cohort.InputPerRequest, true
			if l.flag == cohort.Gap {
				c.Lost = l.missing()
			}
		}
		c.Short = c.Short || l.by == byMeasure && l.measure == cohort.Uncounted
		if l.by == byFlag && f.tells(l) {
			c.Hindsight = follows(l.flag) || l.keptGauges()
			c.Pivot, c.Around, c.Odds = l.finding.StartedAt, c.Where, f.odds(l)
			if l.user == "" && f.appeared(l, freshFor) {
				c.Around = c.Before // what is new is held against what stood in its place
			}
		}
		if c.Flag == cohort.Over && !c.ByMeasure || c.Flag == cohort.Under && !c.ByMeasure {
			// A row off its price needs no company: rows that came late may be earlier than what was seen first.
			c.From -= 2 * int64(f.o.Lateness)
			if l.user == "" {
				c.Since = c.From - 24*cohort.Hour
			}
		}
		if c.Flag == cohort.GaugeOff && l.base <= cleanBase {
			c.From -= 2 * int64(f.o.Lateness) // read again, a gauge is judged without waiting for stragglers, and more often
		}
		if l.Status == incident.Resolved {
			c.To = l.LastAt
			if c.ByMeasure {
				c.To += cohort.Tick
			}
			if !c.ByMeasure && l.base <= cleanBase {
				c.To += recoverAfter // rows that came too late to be seen
			}
			if l.user != "" {
				c.To = max(c.To, l.endedAt) // of one user's rows one an hour is said
			}
		}
		out = append(out, c)
	}
	return out
}

// book reads the rows of the claims again and returns what each comes to.
func (e *Engine) book(ctx context.Context, claims []ledger.Claim, shards map[int32]shardView) (map[string]ledger.Result, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	from := claims[0].From
	for _, c := range claims {
		need := int64(e.o.DedupeWindow)
		if c.ByMeasure || c.Compare {
			need = max(need, past)
		}
		from = min(from, c.From-need)
		if c.Since != 0 {
			from = min(from, c.Since)
		}
	}
	b := ledger.NewBooker(claims)
	threaded := slices.ContainsFunc(claims, func(c ledger.Claim) bool { return (c.Hindsight || c.Lost > 0) && c.ByMeasure })
	gauged := slices.ContainsFunc(claims, func(c ledger.Claim) bool { return !c.ByMeasure && c.Flag == cohort.GaugeOff })
	for _, p := range sortedKeys(shards) {
		v := shards[p]
		class := newClassifier(&e.o, v.book, false, len(shards))
		if gauged {
			class.gauges = v.gauges.Follow()
		}
		if threaded {
			b.Recall = recalled
		}
		head := int64(0)
		in := inOrder{lateness: int64(e.o.Lateness), fn: func(ev *event.Event) {
			if ev.Time > head+cohort.Hour {
				head = ev.Time
				class.advance(head)
			}
			r := class.classify(ev, xxhash.Sum64String(ev.User))
			if r.repeat || !r.charge {
				return
			}
			b.Add(cohort.Row{Event: ev, Flags: r.flags, Quote: r.quote, Gauge: r.gauge, Unprompted: unprompted(ev)})
		}}
		err := e.read(ctx, p, v.from(from), v.offset, func(ev *event.Event) {
			if ev.Time <= v.head {
				in.add(ev)
			}
		})
		in.flush(true)
		b.EndPartition()
		if err != nil {
			return nil, fmt.Errorf("book partition %d: %w", p, err)
		}
	}
	results := b.Results()
	for _, c := range claims {
		r := results[c.Incident]
		odds := c.Odds
		if c.Hindsight {
			odds = hindsight(r.About.Past)
		}
		r.From, r.To = tellOnset(&r.About, odds)
		r.About = ledger.About{}
		results[c.Incident] = r
	}
	return results, nil
}

// recalled returns what says of each row of a partition, read again in order, what it tells of those up to it in its conversation.
func recalled() func(*cohort.Row) {
	h := profile.NewHindsight()
	return func(r *cohort.Row) {
		t := h.Row(xxhash.Sum64String(r.Event.User), r.Event, r.NewTurn)
		r.Tells, r.Shows, r.Begun = t.Tells, t.Shows, t.Begun
	}
}

// inOrder hands on rows by event time and id, as far as the lateness allows, so that which of two charges came first does not
// depend on how they were delivered.
type inOrder struct {
	lateness int64
	fn       func(*event.Event)
	waiting  []event.Event
	head     int64
}

// inOrderRows is how many rows wait before they are sorted.
const inOrderRows = 4096

func (o *inOrder) add(e *event.Event) {
	o.waiting = append(o.waiting, *e)
	o.head = max(o.head, e.Time)
	if len(o.waiting) >= inOrderRows && len(o.waiting)%inOrderRows == 0 {
		o.flush(false)
	}
}

// flush hands on what no row within the lateness can precede; everything at the end.
func (o *inOrder) flush(end bool) {
	slices.SortStableFunc(o.waiting, func(a, b event.Event) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.User, b.User), strings.Compare(a.ID, b.ID))
	})
	n := 0
	for n < len(o.waiting) && (end || o.waiting[n].Time < o.head-o.lateness) {
		o.fn(&o.waiting[n])
		n++
	}
	o.waiting = slices.Delete(o.waiting, 0, n)
}

func unprompted(e *event.Event) bool {
	o := e.Dims[event.Origin]
	return o == "background" || o == "auto_review" || o == "" && e.TurnID == ""
}

// statuses returns what the incidents are now.
func (f *fleet) statuses() map[string]incident.Status {
	out := map[string]incident.Status{}
	for _, l := range f.lives {
		out[l.ID] = l.Status
	}
	return out
}

// booked takes results into the findings and says what changed.
//
// asOf is what the incidents were when the claims were made: one that has ended since was booked up to then only, and that must
// not stand as its last word.
func (f *fleet) booked(results map[string]ledger.Result, asOf map[string]incident.Status, final bool) {
	for _, l := range f.lives {
		if l.ID == "" || l.silentTo != 0 || l.Status != asOf[l.ID] {
			continue
		}
		if r, ok := results[l.ID]; ok && r.Users > 0 {
			exact := l.by == byFlag && !l.flag.Estimated()
			l.finding.Users, l.finding.Overcharge, l.left = r.Users, r.Overcharge, r.Left
			if l.compared = r.Now.Credits > 0 && r.Before.Credits > 0; l.compared {
				l.then, l.before, l.unasked, l.like, l.blends = r.Now, r.Before, r.Unasked, r.Like, r.Blends
			}
			if exact && (final || l.Status == incident.Resolved) {
				l.inside, l.hit = r.Inside, period(&r.Inside) // to the row, where the store is right to the tick or to five minutes
			}
			f.judge(l, l.Cause)
			l.finding.Users, l.finding.Overcharge = r.Users, r.Overcharge
			if !exact {
				l.finding.Charged = r.Charged.Float64()
			}
			l.finding.StartedAt = r.First
			if r.To != 0 && f.tells(l) {
				if !exact {
					l.finding.StartedAt = min(l.finding.StartedAt, r.To)
				}
				f.bracketRows(l, r.From, r.To)
			}
			if exact {
				l.finding.LastAt = r.Last
			} else if l.Status == incident.Resolved {
				l.finding.LastAt = r.Last
			}
			l.finding.Severity = f.rules.Severity(&l.finding, f.quiet(l))
			if !exact && l.Status == incident.Resolved {
				l.finding.Severity = l.Severity // nobody is woken by an estimate of what is over
			}
		}
		l.finding.Final = final || l.Status == incident.Resolved // of what is over this is the last word, too
		if l.MergedInto == "" {
			f.update(l)
		}
		l.finding.Final = final // it may fire again
	}
}

// shardView is what booking needs of a shard: where to read, and its prices.
type shardView struct {
	book   *price.Book
	gauges *window.Tracker // without users, with the budgets that are known
	offset int64
	head   int64
	index  []hourOffset
}

// hourOffset says that before offset no row of that hour or later had been read.
type hourOffset struct{ at, offset int64 }

// encode returns what a fleet elsewhere needs of a shard's prices and budgets. Where to read it sees for itself.
func (v shardView) encode() string {
	return string(state.Append(nil, "view", signalLayout, func(c *state.Coder) {
		v.book.Code(c)
		v.gauges.Code(c)
	}))
}

// viewOf returns the view of a partition's shard as it was told.
func (e *Engine) viewOf(p *part) (v shardView, err error) {
	v = shardView{
		book: price.NewBook(e.o.RateCard, e.o.priceChanges()), gauges: window.New(window.Options{Budgets: e.o.gauged(), Wait: e.o.Lateness}),
		offset: p.read, head: p.head, index: slices.Clone(p.index),
	}
	if p.view != "" {
		err = state.Restore([]byte(p.view), "view", signalLayout, func(c *state.Coder) {
			v.book.Code(c)
			v.gauges.Code(c)
		})
	}
	v.book, v.gauges = v.book.Frozen(), v.gauges.Follow()
	return v, err
}

// from returns an offset before which no row of time t or later lies, an hour of disorder allowed for.
func (v shardView) from(t int64) int64 {
	offset := int64(0)
	if len(v.index) > 0 {
		offset = v.index[0].offset
	}
	for _, h := range v.index {
		if h.at <= t-cohort.Hour {
			offset = h.offset
		}
	}
	return offset
}
