package ledger

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Booker books rows under claims.
type Booker struct {
	Recall func() func(*cohort.Row) // returns what says of a partition's rows, in order, what each tells of those before it; for claims with Hindsight or Lost

	recall func(*cohort.Row) // of this partition
	claims []claim
	recent map[string]*recent
}

type claim struct {
	Claim
	exists bool // the flag says that the row should not exist
	users  map[string]*account
	clock  [24]float64 // credits of the past by hour of the day
	inside cohort.Cell // up to the last affected row
	since  cohort.Cell // what came after it in this partition
	begun  bool        // this partition has had an affected row
	habits habits      // of a Compare claim's User
	sorts  sorts       // of a Compare claim
	early  []charge    // rows of this partition before From that are off,
	about  about
	loss   *loss // of a Lost claim
	clean  int   // and how many that are not came after the last of them
}

// charge is a row that may be booked.
type charge struct {
	user              string
	at                int64
	charged, expected event.Credits
}

type account struct {
	rows              int64
	charged, expected event.Sum
	first, last       int64
	past, now         habit
	before, then      verdict.Period
	unasked           verdict.Period // of then
	drew              []drew
	beforeAt, thenAt  int64 // event times of the first rows of each
	beforeEnd         int64
	hour, askedHour   int64
	told              []told  // of a Lost claim: what its requests show,
	hit, part         float64 // how likely it loses some, and the part of its charges that falls into that

	beforeAsked, thenAsked float64 // hours in which it asked for something
}

// habit is what a user's rows come to for a client's incident, before it and in it.
type habit struct {
	requests, turns, unprompted float64
	credits, unpromptedCredits  event.Sum // exact, so that their order does not show in the last digit
	hours                       map[int64]struct{}
}

// NewBooker returns a booker for claims, the first of which takes a row that several could; of those that hold its price to be wrong the
// one that began first, among those whose fault it bears; of two that began with the same row, a lost discount before a price.
func NewBooker(claims []Claim) *Booker {
	b := &Booker{recent: map[string]*recent{}}
	for _, c := range claims {
		exists := !c.ByMeasure && (c.Flag == cohort.Duplicate || c.Flag == cohort.Copy || c.Flag == cohort.FailureCharged || c.Flag == cohort.Penalised)
		x := claim{Claim: c, exists: exists, users: map[string]*account{}}
		if c.Lost > 0 {
			x.loss = new(loss)
		}
		b.claims = append(b.claims, x)
	}
	// Rows that should not exist are taken whole before anybody asks for their price; estimates come last.
	slices.SortStableFunc(b.claims, func(x, y claim) int {
		if c := cmp.Compare(x.order(), y.order()); c != 0 || x.order() != 1 {
			return c
		}
		if c := cmp.Compare(x.From, y.From); c != 0 || x.Fault == nil || y.Fault == nil {
			return c
		}
		return cmp.Compare(x.Fault.Kind(), y.Fault.Kind())
	})
	return b
}

func (c *claim) order() int {
	switch {
	case c.Short:
		return 3 // what is missing is told from rows that others may have too many of
	case c.ByMeasure:
		return 2
	case c.Flag == cohort.GaugeOff:
		return 4 // it claims no money
	case c.exists:
		return 0
	}
	return 1
}

// Add books a row, and counts it in the past of those whose incident it precedes. Those of a partition come in the order of their times: that is how what a scope did from the first affected
// row on is known, and how turns and hours are counted; who is owed what does not depend on it.
func (b *Booker) Add(r cohort.Row) {
	it, e := &r, r.Event
	u := recentOf(b.recent, e.User)
	turn := u.turn(e.TurnID)
	it.NewTurn, it.NewHour = turn.first(), u.hourly(e.Time)
	if b.Recall != nil {
		if b.recall == nil {
			b.recall = b.Recall()
		}
		b.recall(it)
	}
	taken, others := false, b.others(it)
	for i := range b.claims {
		c, it := &b.claims[i], it
		if slices.Contains(others, c) {
			right := *it
			right.Flags &^= cohort.Flags(0).With(cohort.Over).With(cohort.CacheLost)
			right.Quote.Exact = false
			it = &right
		}
		if c.Compare {
			c.compare(it)
		}
		if c.loss != nil && e.Kind == event.Usage && (c.User == "" || e.User == c.User) {
			c.lose(it, turn, &u.inHour, 1<<(i%64), b.Recall)
		}
		if c.Pivot != 0 && !taken && (c.User == "" || e.User == c.User) && c.Around.Matches(&e.Dims) {
			c.chance(it)
		}
		if c.ByMeasure && e.Kind == event.Usage && e.Time < c.From && c.User == "" {
			if !c.Short || c.Before.Matches(&e.Dims) {
				c.account(e.User).past.add(it)
			}
			continue
		}
		at := e.Time
		if !c.ByMeasure {
			at = it.At(c.Flag)
		}
		if c.Since != 0 && at >= c.Since && at < c.From && c.Where.Matches(&e.Dims) {
			if !taken {
				taken = c.precedes(it)
			}
			continue
		}
		if at < c.From || at > c.To || c.User != "" && e.User != c.User || !c.Where.Matches(&e.Dims) {
			continue
		}
		if !c.ByMeasure {
			c.sum(it)
		}
		if taken {
			continue
		}
		if c.ByMeasure {
			if e.Kind != event.Usage {
				continue
			}
			a := c.account(e.User)
			a.now.add(it)
			a.book(at, e.Credits, 0)
			taken = true
			continue
		}
		if !it.Flags.Has(c.Flag) && !c.toTheUnit(it) {
			continue
		}
		expected := it.Quote.Expected
		if c.exists || c.Flag == cohort.NoTokens {
			expected = 0
		}
		if c.Flag == cohort.GaugeOff {
			expected = e.Credits // the gauge is wrong, not the charge
		}
		c.account(e.User).book(at, e.Credits, expected)
		taken = true
	}
}

// sum counts a row of the scope in what the scope did from the first affected row to the last.
func (c *claim) sum(it *cohort.Row) {
	off := it.Flags.Has(c.Flag)
	if c.begun = c.begun || off; !c.begun {
		return
	}
	c.since.Count(it)
	if off {
		c.inside.Add(&c.since)
		c.since = cohort.Cell{}
	}
}

// EndPartition says that the rows to come are those of another partition.
func (b *Booker) EndPartition() {
	b.recall = nil
	for i := range b.claims {
		if l := b.claims[i].loss; l != nil {
			l.endPartition()
		}
		b.claims[i].settle()
		b.claims[i].about.endPartition()
		b.claims[i].since, b.claims[i].begun = cohort.Cell{}, false
	}
}

// A price may begin to rise by less than what counts as off when faults are looked for. What precedes an incident goes back to
// where so many rows in a row are right to the unit, of those that are not so small that rounding hides what creeps.
const (
	earlyClean = 20
	earlyLeast = event.Credit / 1000
)

// precedes notes a row before the incident, and says whether it may belong to it.
func (c *claim) precedes(it *cohort.Row) bool {
	e := it.Event
	if !it.Flags.Has(c.Flag) && !c.toTheUnit(it) {
		if it.Quote.Exact && e.Kind == event.Usage && e.Status == event.OK && it.Quote.Expected >= earlyLeast {
			if c.clean++; c.clean >= earlyClean {
				c.early = c.early[:0]
			}
		}
		return false
	}
	c.clean = 0
	c.early = append(c.early, charge{strings.Clone(e.User), e.Time, e.Credits, it.Quote.Expected})
	return true
}

// settle books what preceded the incident in this partition.
func (c *claim) settle() {
	for _, r := range c.early {
		c.account(r.user).book(r.at, r.charged, r.expected)
	}
	c.early, c.clean = nil, 0
}

// toTheUnit says whether a row of a priced claim is off a card that is right to the last unit, though by less than what
// counts as off when faults are looked for.
func (c *claim) toTheUnit(it *cohort.Row) bool {
	if !it.Quote.Exact || it.Event.Kind != event.Usage || it.Event.Status != event.OK {
		return false
	}
	switch c.Flag {
	case cohort.Over:
		return it.Event.Credits > it.Quote.Expected
	case cohort.Under:
		return it.Event.Credits < it.Quote.Expected
	}
	return false
}

func (c *claim) account(user string) *account {
	a := c.users[user]
	if a == nil {
		a = &account{}
		c.users[strings.Clone(user)] = a
	}
	return a
}

func (a *account) book(at int64, charged, expected event.Credits) {
	a.rows++
	a.charged.Add(charged)
	a.expected.Add(expected)
	if a.first == 0 || at < a.first {
		a.first = at
	}
	a.last = max(a.last, at)
}

func (h *habit) add(it *cohort.Row) {
	e := it.Event
	h.requests++
	h.credits.Add(e.Credits)
	if it.Unprompted {
		h.unprompted++
		h.unpromptedCredits.Add(e.Credits)
	}
	if h.hours == nil {
		h.hours = map[int64]struct{}{}
	}
	h.hours[e.Time/cohort.Hour] = struct{}{}
	if it.NewTurn {
		h.turns++
	}
}

// Results returns what each claim comes to, by incident.
func (b *Booker) Results() map[string]Result {
	out := map[string]Result{}
	for i := range b.claims {
		c := &b.claims[i]
		if c.ByMeasure {
			c.estimate()
		}
		r := Result{Inside: c.inside, About: c.about.all()}
		if c.loss != nil {
			r.Left = c.loss.left
		}
		r.About.Wider = !c.Around.Equal(c.Where)
		for user, a := range c.users {
			if a.rows == 0 {
				continue
			}
			row := Row{Incident: c.Incident, User: user, Rows: a.rows, Charged: a.charged, Expected: a.expected, FirstAt: time.Unix(0, a.first).UTC(), LastAt: time.Unix(0, a.last).UTC()}
			r.Rows = append(r.Rows, row)
			r.Charged.AddSum(a.charged)
			r.ExpectedTotal.AddSum(a.expected)
			if r.First == 0 || a.first < r.First {
				r.First = a.first
			}
			r.Last = max(r.Last, a.last)
		}
		switch {
		case c.Compare && c.User != "":
			r.Now, r.Before, r.Like = c.habits.compared(&c.inside)
			r.Blends = c.habits.blends
		case c.Compare:
			r.Now, r.Before, r.Unasked, r.Blends = c.compared()
		}
		if r.Users = len(r.Rows); c.inside.Off != nil {
			c.inside.Off[c.Flag].Users, c.inside.Off[c.Flag].DayUsers = int64(r.Users), int64(r.Users)
		}
		r.Overcharge = r.Charged
		r.Overcharge.SubSum(r.ExpectedTotal)
		slices.SortFunc(r.Rows, compare)
		out[c.Incident] = r
	}
	return out
}

func sorted(m map[string]*account) []string {
	return slices.Sorted(maps.Keys(m))
}

// compare orders the rows of one incident: largest overcharge first, then by user.
func compare(x, y Row) int {
	a, b := x.Overcharge(), y.Overcharge()
	return cmp.Or(b.Cmp(a), cmp.Compare(x.User, y.User))
}
