package detector

import (
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dedupe"
	"github.com/drainwatch/drainwatch/detector/dense"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/window"
)

// cellAt is what one leaf did in one tick; it adds to what was said of that tick before.
type cellAt struct {
	leaf *cohort.Leaf
	at   int64
	cell *cohort.Cell
}

// closing is what a shard says when ticks close: everything of the ticks that start before upTo, and late rows of earlier ones.
type closing struct {
	partition int32
	upTo      int64 // ticks that start before this are closed
	head      int64 // greatest plausible event time read
	offset    int64 // as of this source offset
	cells     []cellAt
	findings  []profile.Finding
	links     []link
	resets    int64
	idle      bool // the partition is caught up: ticks need not wait for it
	counts    rowCounts
	users     int
	near      int64          // users who came half as far as a rule's threshold for the first time within a day
	plans     []window.State // how users stand with their budgets, as of the last full hour
	seq       int64          // number among the closings of its partition, from 1 on
	view      string         // what booking needs to know of the shard, where it has changed and is to be told
}

// rowCounts counts a shard's rows by what became of them.
type rowCounts struct {
	Rows, Counted, Duplicates, Conflicts, Late, TimeAhead int64
	First, Last                                           int64 // event times of counted rows
}

// shard folds the rows of one source partition.
type shard struct {
	partition int32
	clock     clock
	class     *classifier
	leaves    *cohort.Leaves
	users     *profile.Table
	threads   *profile.Threads
	budgets   *window.Meter
	watched   bool           // somebody looks at the plans
	planned   int64          // from when on plans was said
	plans     []window.State // as of then
	decoder   *event.Decoder // for held rows

	open     map[int64]*tick // by start
	closed   int64           // ticks that start before this have been said
	late     *tick
	findings []profile.Finding
	links    []link
	ties     dense.Table[uint32] // young accounts, and each on its identities: as tiesOn has it
	runs     []link              // of those accounts, who has rows in this hour, with what they did
	running  map[uint64]int      // where those stand, by the hash of the account
	near     map[string]int64    // users who came near a threshold, and when that was counted last
	nearNow  int64               // of them, not said yet
	counts   rowCounts
	resets   int64
	offset   int64
	index    []hourOffset
	lastHour int64
	keptAs   map[string]Part // the parts as they were kept, or read; nil where that is not known
	dead     func(Record, error)
	say      func(closing)

	said   int64   // number of the last closing
	muted  int64   // up to this source offset nothing is said
	heard  int64   // closings up to here were said by a former owner, and are made again to be left out
	pauses []Pause // where one found nothing more to read, in the part that is made again
	paused int64   // source offset of the last pause of this process: another there would say nothing
	shared bool    // the fleet may be elsewhere, so it is told what booking needs
	told   string  // of that, last
}

func newShard(partition int32, o *Options, partitions int, dead func(Record, error), say func(closing)) (*shard, error) {
	dec, err := event.NewDecoder(o.Format)
	if err != nil {
		return nil, err
	}
	s := &shard{
		partition: partition, clock: clock{lateness: int64(o.Lateness)},
		class:  newClassifier(o, price.NewBook(o.RateCard, o.priceChanges()), true, partitions),
		leaves: cohort.NewLeaves(), decoder: dec, open: map[int64]*tick{}, late: newTick(),
		near: map[string]int64{}, running: map[uint64]int{}, dead: dead, say: say, shared: o.Relay != nil, paused: -1,
	}
	s.class.gauges = window.New(window.Options{Budgets: o.gauged(), Wait: o.Lateness})
	s.budgets, s.watched = window.NewMeter(o.budgets()), o.watched()
	s.threads = profile.NewThreads(int64(o.Lateness))
	s.users = profile.NewTable(s.moments, func(f profile.Finding) { s.findings = append(s.findings, f) })
	s.users.Limits, s.users.SuspectRows = o.Thresholds.limits(), uint16(min(math.Ceil(o.Thresholds[RuleRows]), math.MaxUint16))
	s.users.Observe(func(f profile.Finding) {
		s.approach(&f)
		if o.Observe != nil {
			o.observe(f)
		}
		if o.Spare != nil {
			o.spare(&f)
		}
	})
	return s, nil
}

// fold takes the next record, decoded to e unless err says why it could not be.
func (s *shard) fold(r Record, e *event.Event, err error) {
	s.rest(r.Offset)
	s.offset = r.Offset + 1
	s.counts.Rows++
	if err != nil {
		s.dead(r, err)
		return
	}
	s.place(r, e)
	if rows := s.clock.release(false); rows != nil {
		s.again(rows)
	}
	for _, r := range s.clock.overflow(false) {
		s.timeAhead(r)
	}
	s.closeTicks()
}

func (s *shard) place(r Record, e *event.Event) {
	user := xxhash.Sum64String(e.User)
	if !s.clock.started {
		s.clock.hold(r, e.Time, user)
		return
	}
	switch s.clock.place(e.Time, user) {
	case ahead:
		s.clock.hold(r, e.Time, user)
	case late:
		// A redelivery is a redelivery, however late.
		if r := s.class.rows.Add(e.User, e.ID, dedupe.Content(e)); r != dedupe.First {
			s.repeat(r == dedupe.Conflict)
		} else {
			s.counts.Late++
			s.class.gauges.Late(user, e)
			s.threads.Late(user, e)
		}
	case onTime:
		s.count(e, user)
	}
}

// again places rows that were held; their strings were not kept, so they are decoded anew.
func (s *shard) again(rows []Record) {
	var e event.Event
	for _, r := range rows {
		if err := s.decoder.Decode(r.Value, &e); err == nil {
			s.place(r, &e)
			s.closeTicks()
		}
	}
}

func (s *shard) timeAhead(r Record) {
	s.counts.TimeAhead++
	s.dead(r, &event.Error{Reason: "time_ahead", Field: "time", Detail: "more than an hour ahead of everything else in its partition"})
}

// count folds a row into the user's profile and the cells; user is the hash of its user.
func (s *shard) count(e *event.Event, user uint64) {
	r := s.class.classify(e, user)
	if r.repeat {
		s.repeat(r.conflict)
		return
	}
	s.counts.Counted++
	if s.counts.First == 0 || e.Time < s.counts.First {
		s.counts.First = e.Time
	}
	s.counts.Last = max(s.counts.Last, e.Time)
	draw := s.budgets.Row(user, e)
	if !r.charge {
		if e.Kind == event.Reset {
			s.resets++
		}
		return
	}
	leaf := s.leaves.Of(&e.Dims)
	p := s.users.Fold(e, leaf, r.flags, r.quote)
	c := s.cell(leaf, e.Time)
	c.Count(&cohort.Row{
		Event: e, Flags: r.flags, Quote: r.quote, Gauge: r.gauge, Draw: draw, Unprompted: p.Unprompted, NewTurn: p.NewTurn, NewHour: p.NewHour, Fresh: p.Fresh, FreshDay: p.FreshDay,
	})
	if p.Tokens != nil {
		observe(c, p.Tokens)
	}
	followed(c, s.threads.Row(user, e, leaf, p.NewTurn), e.Time)
	s.follow(e, user, p.NewHour)
}

// repeat counts a redelivery.
func (s *shard) repeat(conflict bool) {
	s.counts.Duplicates++
	if conflict {
		s.counts.Conflicts++
	}
}

// closeTicks says what has closed.
func (s *shard) closeTicks() {
	if upTo := s.clock.closed(); s.clock.started && upTo > s.closed {
		s.sayUpTo(upTo, false)
	}
}

func (s *shard) sayUpTo(upTo int64, idle bool) {
	if b := upTo - upTo%profile.Bucket; b > s.lastHour {
		if s.lastHour != 0 {
			s.users.Close(b)
			s.users.Calm(b)
		}
		if b/cohort.Hour != s.lastHour/cohort.Hour {
			s.sayRuns(b - b%cohort.Hour)
		}
		if b/day != s.lastHour/day {
			s.forgetTies(b)
		}
		s.lastHour = b
		if b%cohort.Hour == 0 {
			s.forgetNear(b)
		}
		s.class.advance(s.clock.head)
		s.threads.Advance(s.clock.head)
		s.index = hourly(s.index, b, s.offset)
	}
	s.threads.Gaps(s.clock.head, s.gap)
	c := closing{
		partition: s.partition, upTo: upTo, head: s.clock.head, offset: s.offset, findings: s.findings, links: s.links,
		resets: s.resets, idle: idle, counts: s.counts, users: s.users.Len(), near: s.nearNow, plans: s.plansAt(upTo),
	}
	s.findings, s.links, s.nearNow = nil, nil, 0
	c.cells = append(c.cells, s.late.order...)
	s.late = newTick()
	if n := (upTo - s.closed) / cohort.Tick; s.closed != 0 && n <= int64(len(s.open))+1 {
		for at := s.closed; at < upTo; at += cohort.Tick {
			c.cells = s.take(c.cells, at)
		}
	} else {
		for _, at := range sortedKeys(s.open) {
			if at < upTo {
				c.cells = s.take(c.cells, at)
			}
		}
	}
	s.closed = upTo
	if s.muted > 0 && s.offset <= s.muted {
		return
	}
	s.said++
	if c.seq = s.said; s.shared {
		if v := s.view().encode(); v != s.told {
			c.view, s.told = v, v
		}
	}
	if s.said > s.heard {
		s.say(c)
	}
}

func (s *shard) take(cells []cellAt, at int64) []cellAt {
	k := s.open[at]
	if k == nil {
		return cells
	}
	delete(s.open, at)
	return append(cells, k.order...)
}

// idle says that the partition has no more rows for now: what is open closes, and ticks need not wait for it.
func (s *shard) idle() {
	s.rest(s.offset)
	if s.offset != s.paused {
		s.pause()
	}
}

// rest pauses where a former owner did, up to a source offset.
func (s *shard) rest(offset int64) {
	for len(s.pauses) > 0 && s.pauses[0].Offset <= offset {
		s.pauses = s.pauses[1:]
		s.pause()
	}
}

func (s *shard) pause() {
	s.paused = s.offset
	if rows := s.clock.release(!s.clock.started); rows != nil {
		s.again(rows)
	}
	upTo := int64(0)
	if s.clock.started {
		s.clock.settle()
		upTo = s.clock.head - s.clock.head%cohort.Tick + cohort.Tick
	}
	s.sayUpTo(max(upTo, s.closed), true)
}

// view returns what booking needs.
func (s *shard) view() shardView {
	return shardView{book: s.class.book.Frozen(), gauges: s.class.gauges.Follow(), offset: s.offset, head: s.clock.head, index: slices.Clone(s.index)}
}

// finish closes everything: the input has ended.
func (s *shard) finish() {
	for rows := s.clock.release(true); rows != nil; rows = s.clock.release(true) {
		s.again(rows)
	}
	for _, r := range s.clock.overflow(true) {
		s.timeAhead(r)
	}
	if s.clock.started {
		s.users.Close(1<<63 - 1)
		s.users.Calm(s.clock.head)
		s.sayRuns(1<<63 - 1)
		s.threads.Gaps(math.MaxInt64, s.gap)
		s.planned = 0 // look once more
		last := s.closed
		for at := range s.open {
			last = max(last, at+cohort.Tick)
		}
		s.sayUpTo(last, true)
	}
}
