package ledger

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
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
}

// Item is one counted, charged row and what is known of it.
type Item struct {
	Event      *event.Event
	Flags      cohort.Flags
	Quote      price.Quote
	Unprompted bool // no turn of the user asked for it
}

// Result is what an incident comes to.
type Result struct {
	Rows          []Row
	Users         int
	Overcharge    event.Sum
	First, Last   int64 // event times of the first and last affected row; 0 without rows
	Charged       event.Sum
	ExpectedTotal event.Sum
}

// Booker books rows under claims.
type Booker struct {
	claims []claim
}

type claim struct {
	Claim
	exists bool // the flag says that the row should not exist
	users  map[string]*account
}

type account struct {
	rows              int64
	charged, expected event.Sum
	first, last       int64
	past, now         habit
}

// habit is what a user's rows come to for a client's incident, before it and in it.
type habit struct {
	requests, turns, input, cached, unprompted float64
	credits, unpromptedCredits                 float64
	hours                                      map[int64]struct{}
	lastTurns                                  [4]string
	turnAt                                     int
}

// NewBooker returns a booker for claims, the first of which takes a row that several could.
func NewBooker(claims []Claim) *Booker {
	b := &Booker{}
	for _, c := range claims {
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
	taken := false
	for i := range b.claims {
		c := &b.claims[i]
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
		if !it.Flags.Has(c.Flag) {
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
	h.input += float64(e.Input)
	h.cached += float64(e.Cached)
	h.credits += e.Credits.Float64()
	if it.Unprompted {
		h.unprompted++
		h.unpromptedCredits += e.Credits.Float64()
	}
	if h.hours == nil {
		h.hours = map[int64]struct{}{}
	}
	h.hours[e.Time/cohort.Hour] = struct{}{}
	if e.TurnID != "" && !slices.Contains(h.lastTurns[:], e.TurnID) {
		h.turns++
		h.lastTurns[h.turnAt%4] = strings.Clone(e.TurnID)
		h.turnAt++
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
		r.Users = len(r.Rows)
		r.Overcharge = r.Charged
		r.Overcharge.SubSum(r.ExpectedTotal)
		slices.SortFunc(r.Rows, compare)
		out[c.Incident] = r
	}
	return out
}

// compare orders the rows of one incident: largest overcharge first, then by user.
func compare(x, y Row) int {
	a, b := x.Overcharge(), y.Overcharge()
	return cmp.Or(b.Cmp(a), cmp.Compare(x.User, y.User))
}
