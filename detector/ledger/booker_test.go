package ledger

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
)

// onset is 2026-06-25T14:00:00Z.
const onset = int64(1782396000e9)

func credits(s string) event.Credits {
	c, err := event.ParseCredits(s)
	if err != nil {
		panic(err)
	}
	return c
}

func sum(s string) event.Sum {
	v, err := event.ParseSum(s)
	if err != nil {
		panic(err)
	}
	return v
}

func where(pairs ...string) cohort.Where {
	var conds []cohort.Cond
	for i := 0; i < len(pairs); i += 2 {
		d, ok := event.ParseDim(pairs[i])
		if !ok {
			panic("no dimension " + pairs[i])
		}
		conds = append(conds, cohort.Cond{Dim: d, Value: pairs[i+1]})
	}
	return cohort.NewWhere(conds...)
}

// row is a usage row of u1 on plan pro, one second after the onset, that should have cost 1 and was charged 12.
func row(change func(*cohort.Row)) cohort.Row {
	e := &event.Event{ID: "r", User: "u1", Time: onset + 1e9, Credits: credits("12"), Input: 1000, Output: 10, HasTokens: true}
	e.Dims[event.Plan] = "pro"
	it := cohort.Row{Event: e, Quote: price.Quote{Expected: credits("1"), Full: credits("2"), Known: true, Card: true}}
	if change != nil {
		change(&it)
	}
	return it
}

func flagged(flags ...cohort.Flag) func(*cohort.Row) {
	return func(it *cohort.Row) {
		for _, f := range flags {
			it.Flags = it.Flags.With(f)
		}
	}
}

func claimOf(f cohort.Flag) Claim {
	return Claim{Incident: "inc_1", Where: where("plan", "pro"), Flag: f, From: onset, To: onset + 10e9}
}

func TestBookingByCause(t *testing.T) {
	for _, c := range []struct {
		why                string
		flag               cohort.Flag
		kind               event.Kind
		charged, quote     string
		expected, overpaid string
	}{
		{"a wrong price: what the tokens cost is due", cohort.Over, event.Usage, "12", "1", "1.000000000", "11.000000000"},
		{"a lost discount is a wrong price", cohort.CacheLost, event.Usage, "2", "1.000000001", "1.000000001", "0.999999999"},
		{"under-metering is a negative overcharge", cohort.Under, event.Usage, "0.1", "1", "1.000000000", "-0.900000000"},
		{"a repeated charge should not exist, whatever its tokens cost", cohort.Duplicate, event.Usage, "1", "1", "0.000000000", "1.000000000"},
		{"nor should a copy", cohort.Copy, event.Usage, "1", "1", "0.000000000", "1.000000000"},
		{"nor the charge of a failed request", cohort.FailureCharged, event.Usage, "1", "1", "0.000000000", "1.000000000"},
		{"nor a penalty", cohort.Penalised, event.Penalty, "7.5", "0", "0.000000000", "7.500000000"},
		{"a wrong gauge charges nobody, whatever the row's price", cohort.GaugeOff, event.Usage, "3", "1", "3.000000000", "0.000000000"},
		{"a charge without tokens has no price to be due", cohort.NoTokens, event.Usage, "3", "0", "0.000000000", "3.000000000"},
	} {
		b := NewBooker([]Claim{claimOf(c.flag)})
		b.Add(row(func(it *cohort.Row) {
			flagged(c.flag)(it)
			it.Event.Kind, it.Event.Credits, it.Quote.Expected = c.kind, credits(c.charged), credits(c.quote)
		}))
		r := b.Results()["inc_1"]
		if len(r.Rows) != 1 || r.Users != 1 || r.Rows[0].Expected.String() != c.expected || r.Rows[0].Overcharge().String() != c.overpaid || r.Overcharge.String() != c.overpaid {
			t.Errorf("%s: %+v, want %s due and %s too much", c.why, r, c.expected, c.overpaid)
		}
	}
}

func TestWhatIsBooked(t *testing.T) {
	for _, c := range []struct {
		why    string
		claim  func(*Claim)
		change func(*cohort.Row)
		want   int
	}{
		{"a row that bears the flag", nil, nil, 1},
		{"none does", nil, func(it *cohort.Row) { it.Flags = 0 }, 0},
		{"another flag", nil, func(it *cohort.Row) { it.Flags = cohort.Flags(0).With(cohort.Under) }, 0},
		{"another cohort", nil, func(it *cohort.Row) { it.Event.Dims[event.Plan] = "free" }, 0},
		{"everybody", func(c *Claim) { c.Where = nil }, func(it *cohort.Row) { it.Event.Dims[event.Plan] = "free" }, 1},
		{"the first instant", nil, func(it *cohort.Row) { it.Event.Time = onset }, 1},
		{"before it", nil, func(it *cohort.Row) { it.Event.Time = onset - 1 }, 0},
		{"the last instant", nil, func(it *cohort.Row) { it.Event.Time = onset + 10e9 }, 1},
		{"after it", nil, func(it *cohort.Row) { it.Event.Time = onset + 10e9 + 1 }, 0},
		{"the user of a user's incident", func(c *Claim) { c.User, c.Where = "u1", nil }, nil, 1},
		{"another user", func(c *Claim) { c.User, c.Where = "u2", nil }, nil, 0},
		{"by measure, every usage row in the scope", func(c *Claim) { c.ByMeasure, c.Measure = true, cohort.InputPerRequest }, func(it *cohort.Row) { it.Flags = 0 }, 1},
		{"by measure, a penalty is not the client's", func(c *Claim) { c.ByMeasure = true }, func(it *cohort.Row) { it.Event.Kind = event.Penalty }, 0},
		{"by measure, what lay before is the past, not the incident", func(c *Claim) { c.ByMeasure = true }, func(it *cohort.Row) { it.Event.Time = onset - 1 }, 0},
	} {
		claim := claimOf(cohort.Over)
		if c.claim != nil {
			c.claim(&claim)
		}
		b := NewBooker([]Claim{claim})
		it := row(flagged(cohort.Over))
		if c.change != nil {
			c.change(&it)
		}
		b.Add(it)
		if r := b.Results()["inc_1"]; len(r.Rows) != c.want {
			t.Errorf("%s: %d rows, want %d", c.why, len(r.Rows), c.want)
		}
	}
}

func TestResultsOrderAndTotals(t *testing.T) {
	b := NewBooker([]Claim{claimOf(cohort.Over)})
	for i, u := range []string{"b", "c", "a", "b", "d"} {
		b.Add(row(func(it *cohort.Row) {
			flagged(cohort.Over)(it)
			it.Event.User, it.Event.Time = u, onset+int64(9-i)*1e9
			if u == "c" {
				it.Event.Credits = credits("100")
			}
		}))
	}
	r := b.Results()["inc_1"]
	var users []string
	for _, x := range r.Rows {
		users = append(users, x.User)
	}
	if !slices.Equal(users, []string{"c", "b", "a", "d"}) {
		t.Errorf("%v, want the largest overcharge first, and equal ones by name", users)
	}
	if x := r.Rows[1]; x.Rows != 2 || x.FirstAt.UnixNano() != onset+6e9 || x.LastAt.UnixNano() != onset+9e9 {
		t.Errorf("%+v", x)
	}
	if r.Users != 4 || r.Charged != sum("148") || r.ExpectedTotal != sum("5") || r.Overcharge != sum("143") || r.First != onset+5e9 || r.Last != onset+9e9 {
		t.Errorf("%+v", r)
	}
	if again := b.Results()["inc_1"]; !reflect.DeepEqual(r, again) {
		t.Errorf("asked again: %+v, then %+v", r, again)
	}
}

func TestClaimWithoutRows(t *testing.T) {
	r, ok := NewBooker([]Claim{claimOf(cohort.Over)}).Results()["inc_1"]
	if !ok || r.Users != 0 || !r.Overcharge.IsZero() || r.First != 0 || r.Last != 0 {
		t.Errorf("%v %+v", ok, r)
	}
	if len(NewBooker(nil).Results()) != 0 {
		t.Error("results without claims")
	}
}

// claims and items of small alphabets, so that they meet.
func drawClaims(t *rapid.T, byMeasure bool) []Claim {
	var out []Claim
	for i := range rapid.IntRange(1, 5).Draw(t, "claims") {
		c := Claim{
			Incident: fmt.Sprintf("inc_%d", i), From: onset + rapid.Int64Range(0, 50).Draw(t, "from")*1e9, To: onset + rapid.Int64Range(50, 100).Draw(t, "to")*1e9,
			Flag: cohort.Flag(rapid.IntRange(0, int(cohort.NumFlags)-1).Draw(t, "flag")),
		}
		switch rapid.IntRange(0, 3).Draw(t, "scope") {
		case 0:
			c.Where = where("plan", "pro")
		case 1:
			c.Where = where("plan", "pro", "region", "eu")
		case 2:
			c.User = "u1"
		}
		if byMeasure && c.User == "" && rapid.Bool().Draw(t, "by measure") {
			c.ByMeasure, c.Measure = true, rapid.SampledFrom([]cohort.Measure{cohort.Background, cohort.InputPerRequest, cohort.Uncached}).Draw(t, "measure")
		}
		out = append(out, c)
	}
	return out
}

func drawItems(t *rapid.T) []cohort.Row {
	var out []cohort.Row
	for i := range rapid.IntRange(0, 60).Draw(t, "rows") {
		e := &event.Event{ID: fmt.Sprint(i), User: rapid.SampledFrom([]string{"u1", "u2", "u3"}).Draw(t, "user"), HasTokens: true}
		e.Time = onset + rapid.Int64Range(-50, 110).Draw(t, "time")*1e9 + int64(i)
		e.Kind = rapid.SampledFrom([]event.Kind{event.Usage, event.Usage, event.Usage, event.Penalty, event.Adjustment}).Draw(t, "kind")
		e.Credits = event.Credits(rapid.OneOf(rapid.Int64Range(0, 1e10), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "credits"))
		e.Input = rapid.Int64Range(0, 1e6).Draw(t, "input")
		e.Dims[event.Plan] = rapid.SampledFrom([]string{"pro", "free"}).Draw(t, "plan")
		e.Dims[event.Region] = rapid.SampledFrom([]string{"eu", "us"}).Draw(t, "region")
		it := cohort.Row{Event: e, Unprompted: rapid.Bool().Draw(t, "unprompted")}
		for f := range cohort.NumFlags {
			if rapid.IntRange(0, 3).Draw(t, "flagged") == 0 {
				it.Flags = it.Flags.With(f)
			}
		}
		it.Quote = price.Quote{Expected: event.Credits(rapid.Int64Range(0, 1e10).Draw(t, "expected")), Known: true}
		out = append(out, it)
	}
	return out
}

func booked(claims []Claim, items []cohort.Row) map[string]Result {
	b := NewBooker(claims)
	for _, it := range items {
		b.Add(it)
	}
	return b.Results()
}

// Oracle: each row goes to the first claim that it fits, those that name rows that should not exist before prices, and
// these before estimates; gauges, which claim no money, come last. Charges are compared to the last digit, and expectations where they are not estimates.
func TestRowIsBookedUnderOneIncidentAtMost(t *testing.T) {
	order := func(c Claim) int {
		switch {
		case c.ByMeasure:
			return 2
		case c.Flag == cohort.GaugeOff:
			return 3
		case c.Flag == cohort.Duplicate, c.Flag == cohort.Copy, c.Flag == cohort.FailureCharged, c.Flag == cohort.Penalised:
			return 0
		}
		return 1
	}
	type entry struct {
		rows              int64
		charged, expected event.Sum
	}
	rapid.Check(t, func(t *rapid.T) {
		claims, items := drawClaims(t, true), drawItems(t)
		ranked := slices.Clone(claims)
		slices.SortStableFunc(ranked, func(a, b Claim) int {
			if c := cmp.Compare(order(a), order(b)); c != 0 || order(a) != 1 {
				return c
			}
			return cmp.Compare(a.From, b.From)
		})
		want := map[[2]string]entry{}
		for _, it := range items {
			e := it.Event
			i := slices.IndexFunc(ranked, func(c Claim) bool {
				return e.Time >= c.From && e.Time <= c.To && (c.User == "" || c.User == e.User) && c.Where.Matches(&e.Dims) &&
					(c.ByMeasure && e.Kind == event.Usage || !c.ByMeasure && it.Flags.Has(c.Flag))
			})
			if i < 0 {
				continue
			}
			k := [2]string{ranked[i].Incident, e.User}
			x := want[k]
			x.rows++
			x.charged.Add(e.Credits)
			if order(ranked[i]) == 1 && ranked[i].Flag != cohort.NoTokens {
				x.expected.Add(it.Quote.Expected)
			}
			if order(ranked[i]) == 3 {
				x.expected.Add(e.Credits)
			}
			want[k] = x
		}
		estimates := map[string]bool{}
		for _, c := range claims {
			estimates[c.Incident] = c.ByMeasure
		}
		n := 0
		for id, r := range booked(claims, items) {
			n += len(r.Rows)
			for _, x := range r.Rows {
				w := want[[2]string{id, x.User}]
				if x.Incident != id || x.Rows != w.rows || x.Charged != w.charged || !estimates[id] && x.Expected != w.expected {
					t.Fatalf("%s %s: %+v, want %+v", id, x.User, x, w)
				}
			}
		}
		if n != len(want) {
			t.Fatalf("%d entries, want %d", n, len(want))
		}
	})
}

// What the scope did from the first affected row on does depend on it, and is left out.
func TestLedgerDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims, items := drawClaims(t, true), drawItems(t)
		a, b := booked(claims, items), booked(claims, rapid.Permutation(items).Draw(t, "permuted"))
		for _, results := range []map[string]Result{a, b} {
			for id, r := range results {
				r.Inside = cohort.Cell{}
				results[id] = r
			}
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("in one order %+v\nin another %+v", a, b)
		}
	})
}

func TestEstimatesAreBoundedByTheCharge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims, items := drawClaims(t, true), drawItems(t)
		for i := range claims {
			claims[i].ByMeasure, claims[i].User = true, ""
		}
		for id, r := range booked(claims, items) {
			for _, x := range r.Rows {
				if x.Expected.Cmp(event.Sum{}) < 0 || x.Expected.Cmp(x.Charged) > 0 {
					t.Fatalf("%s %s: %v due of %v", id, x.User, x.Expected, x.Charged)
				}
			}
		}
	})
}

// A price that creeps is off to the unit before it is off enough to be looked for: the rows back to where prices were right belong
// to it, in each partition by its own; what was right again since then does not.
func TestBookWhatPrecedes(t *testing.T) {
	at, id := int64(0), 0
	feed := func(b *Booker, user, charged string, n int, exact bool) {
		for range n {
			at += 1e9
			id++
			it := row(func(it *cohort.Row) {
				it.Event.ID, it.Event.User, it.Event.Time, it.Event.Credits = fmt.Sprint(id), user, at, credits(charged)
				it.Quote.Exact = exact
				if it.Event.Credits > 2*event.Credit {
					it.Flags = it.Flags.With(cohort.Over)
				}
			})
			b.Add(it)
		}
	}
	for _, c := range []struct {
		why   string
		since int64
		feed  func(*Booker)
		want  string // users and rows
	}{
		{"it crept up", onset - 3600e9, func(b *Booker) {
			feed(b, "a", "1.000001", 3, true)
			feed(b, "b", "1", 19, true)
			feed(b, "c", "1.01", 2, true)
		}, "a 3, c 2, z 1"},
		{"twenty right ones after it: that was another fault", onset - 3600e9, func(b *Booker) {
			feed(b, "a", "1.000001", 3, true)
			feed(b, "b", "1", 20, true)
			feed(b, "c", "1.01", 2, true)
		}, "c 2, z 1"},
		{"right ones in another partition say nothing", onset - 3600e9, func(b *Booker) {
			feed(b, "b", "1", 18, true)
			feed(b, "a", "1.000001", 3, true)
			b.EndPartition()
			feed(b, "b", "1", 19, true)
		}, "a 3, z 1"},
		{"learned prices are not right to the unit", onset - 3600e9, func(b *Booker) {
			feed(b, "a", "1.000001", 3, false)
		}, "z 1"},
		{"earlier than it may be", onset - 2e9, func(b *Booker) {
			feed(b, "a", "1.000001", 3, true)
		}, "z 1"},
		{"nothing is asked for before the onset", 0, func(b *Booker) {
			feed(b, "a", "1.000001", 3, true)
		}, "z 1"},
	} {
		claim := claimOf(cohort.Over)
		claim.Since, at = c.since, onset-3000e9
		b := NewBooker([]Claim{claim})
		c.feed(b)
		at = onset + 1e9
		feed(b, "z", "12", 1, true)
		b.EndPartition()
		var got []string
		for _, r := range b.Results()["inc_1"].Rows {
			got = append(got, fmt.Sprint(r.User, " ", r.Rows))
		}
		slices.Sort(got)
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: booked %s, want %s", c.why, s, c.want)
		}
	}
}

// Of incidents whose faults are known, each books the rows that bear its own; of one that bears both, the one that began first.
func TestRowGoesToTheFaultThatItBears(t *testing.T) {
	twice, full := cohort.Fault{Flat: 2, Input: 1}, cohort.Fault{Flat: 1, Input: 1, Full: true}
	late, early := claimOf(cohort.Over), claimOf(cohort.Over)
	late.Incident, late.Fault, late.From = "inc_price", &twice, onset+1
	early.Incident, early.Fault, early.From = "inc_cache", &full, onset
	for _, c := range []struct{ why, charged, want string }{
		{"all of it twice", "2", "inc_price"},
		{"the discount is lost", "3", "inc_cache"},
		{"both: the one that began first", "6", "inc_cache"},
		{"neither: the one that began first", "12", "inc_cache"},
	} {
		it := row(func(it *cohort.Row) {
			it.Event.Credits, it.Quote.Full = credits(c.charged), credits("3")
			it.Flags = it.Flags.With(cohort.Over)
		})
		for id, r := range booked([]Claim{late, early}, []cohort.Row{it}) {
			if (len(r.Rows) > 0) != (id == c.want) {
				t.Errorf("%s: %s books %+v", c.why, id, r.Rows)
			}
		}
	}
}

// What is missing is estimated from rows of which others may hold that there are too many: those are booked first, whichever is older.
func TestMissingRowsAreBookedLast(t *testing.T) {
	short, loop := claimOf(cohort.Short), claimOf(cohort.Over)
	short.Incident, short.ByMeasure, short.Measure, short.Short = "inc_short", true, cohort.InputPerRequest, true
	loop.Incident, loop.ByMeasure, loop.Measure = "inc_loop", true, cohort.RequestsPerTurn
	for id, r := range booked([]Claim{short, loop}, []cohort.Row{row(nil)}) {
		if (len(r.Rows) > 0) != (id == "inc_loop") {
			t.Errorf("%s books %+v", id, r.Rows)
		}
	}
}
