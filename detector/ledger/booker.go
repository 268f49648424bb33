package ledger

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Claim says which rows belong to an incident. Times are Unix nanoseconds.
type Claim struct {
	Incident string
	Where    cohort.Where
	User     string // only rows of this user; "" is everybody
	From, To int64  // first and last instant

	// Rows that bear Flag are booked; or, if ByMeasure, all usage rows, against the user's own past of Measure.
	Flag      cohort.Flag
	ByMeasure bool
	Measure   cohort.Measure

	// Compare holds the users against themselves: their rows in Where against those in Before until it came to them.
	Compare bool
	Before  cohort.Where
}

// Item is one counted, charged row and what is known of it.
type Item struct {
	Event      *event.Event
	Flags      cohort.Flags
	Quote      price.Quote
	Unprompted bool // no turn of the user asked for it
	newTurn    bool
}

// Result is what an incident comes to.
type Result struct {
	Rows          []Row
	Users         int
	Overcharge    event.Sum
	First, Last   int64 // event times of the first and last affected row; 0 without rows
	Charged       event.Sum
	ExpectedTotal event.Sum
	Now, Before   verdict.Period // of a Compare claim: the users that have a past, in it and before it, over the same time
}

// Booker books rows under claims.
type Booker struct {
	claims []claim
	turns  map[string]*[4]string // the latest turns of each user
	habits bool                  // some claim asks for them
}

type claim struct {
	Claim
	exists bool // the flag says that the row should not exist
	users  map[string]*account
	clock  [24]float64 // credits of the past by hour of the day
}

type account struct {
	rows              int64
	charged, expected event.Sum
	first, last       int64
	past, now         habit
	before, then      verdict.Period
	beforeAt, thenAt  int64 // event times of the first rows of each
	beforeEnd         int64
	hour              int64
}

// habit is what a user's rows come to for a client's incident, before it and in it.
type habit struct {
	requests, turns, unprompted float64
	credits, unpromptedCredits  event.Sum // exact, so that their order does not show in the last digit
	hours                       map[int64]struct{}
}

// NewBooker returns a booker for claims, the first of which takes a row that several could.
func NewBooker(claims []Claim) *Booker {
	b := &Booker{turns: map[string]*[4]string{}}
	for _, c := range claims {
		b.habits = b.habits || c.Compare || c.ByMeasure
		exists := !c.ByMeasure && (c.Flag == cohort.Duplicate || c.Flag == cohort.Copy || c.Flag == cohort.FailureCharged || c.Flag == cohort.Penalised)
		b.claims = append(b.claims, claim{Claim: c, exists: exists, users: map[string]*account{}})
	}
	// Rows that should not exist are taken whole before anybody asks for their price; estimates come last.
	slices.SortStableFunc(b.claims, func(x, y claim) int { return cmp.Compare(x.order(), y.order()) })
	return b
}

func (c *claim) order() int {
	switch {
	case c.ByMeasure:
		return 2
	case c.exists:
		return 0
	}
	return 1
}

// Add books a row, and counts it in the past of those whose incident it precedes.
func (b *Booker) Add(it Item) {
	e := it.Event
	it.newTurn = b.habits && e.TurnID != "" && b.newTurn(e)
	taken := false
	for i := range b.claims {
		c := &b.claims[i]
		if c.Compare {
			c.compare(&it)
		}
		if c.ByMeasure && e.Kind == event.Usage && e.Time < c.From && c.User == "" {
			c.account(e.User).past.add(&it)
			continue
		}
		if taken || e.Time < c.From || e.Time > c.To || c.User != "" && e.User != c.User || !c.Where.Matches(&e.Dims) {
			continue
		}
		if c.ByMeasure {
			if e.Kind != event.Usage {
				continue
			}
			a := c.account(e.User)
			a.now.add(&it)
			a.book(e, 0)
			taken = true
			continue
		}
		if !it.Flags.Has(c.Flag) && !c.toTheUnit(&it) {
			continue
		}
		expected := it.Quote.Expected
		if c.exists || c.Flag == cohort.NoTokens {
			expected = 0
		}
		c.account(e.User).book(e, expected)
		taken = true
	}
}

// toTheUnit says whether a row of a priced claim is off a card that is right to the last unit, though by less than what
// counts as off when faults are looked for.
func (c *claim) toTheUnit(it *Item) bool {
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

// newTurn says whether a row is the first of its turn.
func (b *Booker) newTurn(e *event.Event) bool {
	t := b.turns[e.User]
	if t == nil {
		t = &[4]string{}
		b.turns[strings.Clone(e.User)] = t
	}
	if slices.Contains(t[:], e.TurnID) {
		return false
	}
	copy(t[1:], t[:3])
	t[0] = strings.Clone(e.TurnID)
	return true
}

func (c *claim) account(user string) *account {
	a := c.users[user]
	if a == nil {
		a = &account{}
		c.users[strings.Clone(user)] = a
	}
	return a
}

func (a *account) book(e *event.Event, expected event.Credits) {
	a.rows++
	a.charged.Add(e.Credits)
	a.expected.Add(expected)
	if a.first == 0 || e.Time < a.first {
		a.first = e.Time
	}
	a.last = max(a.last, e.Time)
}

func (h *habit) add(it *Item) {
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
	if it.newTurn {
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
		r := Result{}
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
		if c.Compare {
			r.Now, r.Before = c.compared()
		}
		r.Users = len(r.Rows)
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
