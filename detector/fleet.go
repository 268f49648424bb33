package detector

import (
	"cmp"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/detector/window"
)

const halfHour = cohort.Hour / 2

const (
	warmUp   = int64(60 * 60 * 1e9)             // what is seen in the first hour is taken to be usual
	learnLag = cohort.KeepFives - 2*cohort.Hour // an hour's five minutes are kept for so long, and some more for gaps
)

// fleet decides, tick by tick, on what the shards closed. It is a pure fold over closings: it does no IO and reads no clock.
type fleet struct {
	o     *Options
	rules incident.Rules
	store *cohort.Store
	parts map[int32]*part
	say   func(*live, []incident.Reason)

	now   int64 // ticks that start before this are decided
	head  int64 // greatest plausible event time read
	first int64 // start of the first tick
	epoch int   // changes when what incidents explain changes
	lives []*live
	card  bool
	rows  int64 // usage rows so far

	dirty    []*cohort.Value           // values in which this tick showed something
	lately   cohort.Flags              // that some row bore since the last long look
	seen     cohort.Flags              // what it showed
	fiveAt   int64                     // next five-minute work
	halfAt   int64                     // next half-hourly work
	hourAt   int64                     // next hourly work
	hours    map[int64]*verdict.Period // what everybody drew, by hour
	warm     bool
	suspects []profile.Finding
	ties     ties  // young accounts, and what they share
	quietTo  int64 // event time up to which nothing wakes anybody
	counts   map[int32]rowCounts
	users    map[int32]int
	plans    map[int32][]window.State
	spent    spending
	drawn    drawnHours
	roller   *roller // nil unless somebody asks
}

// part is what is known of one partition.
type part struct {
	upTo    int64
	offset  int64 // as of what has been decided,
	rows    int64 // and those read by then,
	late    int64 // and of them beyond the lateness
	idle    bool
	pending []closing

	read, head int64          // next source offset, and the greatest event time, as of what was closed
	index      []hourOffset   // where each hour began
	view       string         // what else booking needs, where the shard may be elsewhere
	leaves     []*cohort.Leaf // that its owner has named in the log
}

func newFleet(o *Options, partitions []int32, say func(*live, []incident.Reason)) *fleet {
	f := &fleet{
		o: o, store: cohort.NewStore(), parts: map[int32]*part{}, say: say, card: len(o.RateCard) > 0,
		rules: incident.Rules{PageFactor: o.Severity.PageFactor, MinUsers: o.Severity.MinUsers, Material: o.Severity.MaterialCredits},
		ties:  newTies(), hours: map[int64]*verdict.Period{}, counts: map[int32]rowCounts{}, users: map[int32]int{}, plans: map[int32][]window.State{},
	}
	for _, p := range partitions {
		f.parts[p] = &part{}
	}
	if o.Answers {
		f.roller = newRoller()
	}
	return f
}

// take folds a shard's closing and decides every tick that all partitions have closed, or are idle for.
func (f *fleet) take(c closing) {
	p := f.parts[c.partition]
	p.idle = c.idle
	if c.upTo == 0 {
		p.offset = c.offset // it has no rows yet
	} else {
		p.pending = append(p.pending, c)
		p.note(&c)
	}
	f.counts[c.partition], f.users[c.partition], f.plans[c.partition] = c.counts, c.users, c.plans
	f.proceed()
}

// proceed decides every tick that is due.
func (f *fleet) proceed() {
	for {
		upTo, ok := f.next()
		if !ok {
			return
		}
		f.decide(upTo)
	}
}

// note takes what a closing says of how far its shard has read.
func (p *part) note(c *closing) {
	p.upTo, p.read, p.head = max(p.upTo, c.upTo), c.offset, c.head
	if c.view != "" {
		p.view = c.view
	}
	p.index = hourly(p.index, c.upTo-c.upTo%profile.Bucket, c.offset)
}

// hourly notes the source offset of the first closing of an hour.
func hourly(index []hourOffset, at, offset int64) []hourOffset {
	if n := len(index); n == 0 || index[n-1].at <= at-cohort.Hour {
		return append(index, hourOffset{at, offset})
	}
	return index
}

// next returns up to where the next decision reaches: the earliest closing that some partition holds, once every other has
// come as far or is idle.
func (f *fleet) next() (int64, bool) {
	upTo, reached := int64(1<<63-1), int64(1<<63-1)
	for _, p := range f.parts {
		if len(p.pending) > 0 {
			upTo = min(upTo, p.pending[0].upTo)
		}
		if !p.idle {
			reached = min(reached, p.upTo)
		}
	}
	return upTo, upTo < 1<<63-1 && upTo <= reached
}

// decide folds what every partition closed up to there, in partition order, and says what follows.
func (f *fleet) decide(upTo int64) {
	var due []closing
	for _, id := range sortedKeys(f.parts) {
		p := f.parts[id]
		for len(p.pending) > 0 && p.pending[0].upTo <= upTo {
			due = append(due, p.pending[0])
			p.offset, p.rows, p.late = p.pending[0].offset, p.pending[0].counts.Rows, p.pending[0].counts.Late
			p.pending = p.pending[1:]
		}
	}
	f.now = max(f.now, upTo)
	f.store.Head(f.now)
	if f.learning() {
		f.quietTo = f.now
	}
	for i := range due {
		f.head = max(f.head, due[i].head)
		f.spent.near += due[i].near
	}
	if f.first == 0 {
		f.first = f.now
		for i := range due {
			for _, c := range due[i].cells {
				f.first = min(f.first, c.at)
			}
		}
		f.hourAt = f.first - f.first%cohort.Hour + cohort.Hour
	}
	for i := range due {
		for _, c := range due[i].cells {
			f.add(c)
		}
	}
	f.follow()
	f.watchFlags()
	for i := range due {
		for _, l := range due[i].links {
			f.link(l)
		}
	}
	f.settleFarms(f.now >= f.fiveAt)
	for i := range due {
		for _, u := range due[i].findings {
			f.person(u)
		}
	}
	f.settleSuspects()
	if f.now >= f.fiveAt {
		f.fiveAt = f.now - f.now%cohort.Five + cohort.Five
		f.watchBehaviour()
	}
	if f.now >= f.halfAt {
		f.halfAt = f.now - f.now%halfHour + halfHour
		dropped := f.store.Dropped
		if f.store.Advance(); f.store.Dropped != dropped {
			clear(f.drawn.hours)
		}
	}
	if f.now >= f.hourAt {
		f.hourly()
	}
}

// learning says whether some partition still reads what lay there when the program first started: nothing wakes anybody then.
func (f *fleet) learning() bool {
	for id, p := range f.parts {
		if p.offset < f.o.WakeFrom[id] {
			return true
		}
	}
	return false
}

// quiet says whether an incident lies in what the program learned from when it first started: nobody is woken for what was
// over by then, also when that is seen or booked later.
func (f *fleet) quiet(l *live) bool {
	return f.quietTo > 0 && (f.now <= f.quietTo || l.finding.LastAt <= f.quietTo)
}

// add counts a cell, less what open incidents explain of it, and remembers which values show something new.
func (f *fleet) add(c cellAt) {
	r := f.store.Series(c.leaf, c.at)
	if r.Epoch != f.epoch {
		r.Hidden, r.Epoch = f.hidden(r), f.epoch
	}
	f.store.Add(r, c.at, c.cell)
	if f.roller != nil {
		f.roller.add(r.Leaf, c.at, c.cell)
	}
	f.everybody(c)
	f.drawn.late(c.at)
	f.rows += c.cell.Rows
	for _, l := range f.lives {
		if l.by != byFlag && l.by != byMeasure || c.at < l.onset || !l.open() {
			continue
		}
		if in := f.sumCell(l, c.leaf, c.at, c.cell); in != nil && !(l.by == byFlag && l.user == "" && f.taken(l, c.leaf, c.at, in.Flagged(l.flag), l.flag, l.fault)) {
			l.tick.add(in, l, c.at)
		}
	}
	if c.cell.Off == nil {
		return
	}
	found := cohort.Flags(0)
	for flag := range cohort.NumFlags {
		if c.cell.Off[flag].Rows > 0 && !r.Hidden.Flags.Has(flag) {
			found = found.With(flag)
		}
	}
	if found != 0 {
		f.seen |= found
		f.mark(r)
	}
}

// everybody keeps the hours of all leaves together.
func (f *fleet) everybody(c cellAt) {
	h := c.at - c.at%cohort.Hour
	p := f.hours[h]
	if p == nil {
		p = &verdict.Period{}
		f.hours[h] = p
		delete(f.hours, h-cohort.KeepHours)
	}
	p.Add(c.cell, 1)
}

// mark notes that the values of a series have something to look at.
func (f *fleet) mark(r *cohort.Series) {
	for _, v := range r.Values() {
		if v != nil && v.Marked != f.now {
			v.Marked = f.now
			f.dirty = append(f.dirty, v)
		}
	}
	if v := f.store.All; v.Marked != f.now {
		v.Marked = f.now
		f.dirty = append(f.dirty, v)
	}
}

// hidden returns what open incidents explain of a series.
func (f *fleet) hidden(r *cohort.Series) cohort.Hidden {
	return f.hiddenBy(r, (*live).open)
}

// hiddenBy returns what some incidents explain of a series.
func (f *fleet) hiddenBy(r *cohort.Series, some func(*live) bool) (h cohort.Hidden) {
	for _, l := range f.lives {
		if some(l) && l.where.Matches(&r.Leaf.Values) {
			x := l.hides()
			h.Flags |= x.Flags
			h.Measures |= x.Measures
		}
	}
	return h
}

// hourly learns the baselines, except what open incidents name: an hour late on the first day, when little is known, and
// then so late that evidence which gathers for hours has not taught itself.
func (f *fleet) hourly() {
	hour := f.now - f.now%cohort.Hour
	f.hourAt = hour + cohort.Hour
	upTo := hour - cohort.Hour
	if f.now-f.first >= 24*cohort.Hour {
		upTo = hour - learnLag
	}
	if !f.warm && f.now-f.first >= warmUp {
		f.warm, upTo = true, hour
	}
	none := func(cohort.Flag) bool { return false }
	for _, v := range append([]*cohort.Value{f.store.All}, f.store.Values...) {
		v.Learn(upTo, none, func(cohort.Measure) bool { return false })
	}
	f.watchConsumption()
	f.spent.hour(f.now)
	f.ties.forget(f.now)
}

// adopt opens an incident and takes what it explains out of the statistics.
func (f *fleet) adopt(l *live) {
	id := f.identify(l)
	l.ID = id
	split := f.splitOff(l)
	l.Incident, l.openedAt = incident.Open(l.finding, f.head), f.now
	l.ID = id
	f.lives = append(f.lives, l)
	f.explain(l, 1)
	if f.o.Observe != nil {
		f.o.Observe(Score{Rule: l.rule(), User: l.user, At: f.now, Incident: l.ID})
	}
	f.say(l, []incident.Reason{incident.Opened})
	for _, m := range split {
		f.update(m)
	}
}

func (f *fleet) explain(l *live, sign int64) {
	if h := l.hides(); h != (cohort.Hidden{}) {
		f.store.Explain(l.where, h, l.onset, sign, func(r *cohort.Series) cohort.Hidden {
			// What the calendar explains comes and goes each hour, also of rows that an incident explains by itself: once is enough.
			return f.hiddenBy(r, func(m *live) bool { return m != l && m.open() && (l.silentTo != 0 || m.silentTo != 0) })
		})
		f.epoch++
	}
}

// tell says what is found of an incident, for the first time or again.
func (f *fleet) tell(l *live) {
	if l.ID == "" {
		f.adopt(l)
		return
	}
	f.update(l)
}

// update steps an incident with its finding and says it if a reader should hear.
func (f *fleet) update(l *live) {
	var why []incident.Reason
	was := l.Status
	l.Incident, why = incident.Step(l.Incident, l.finding, f.head)
	if was == incident.Firing && l.Status == incident.Resolved {
		l.endedAt = f.now
		f.epoch++
	}
	if len(why) > 0 {
		f.say(l, why)
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
