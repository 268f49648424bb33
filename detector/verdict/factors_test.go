package verdict

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/stats/decompose"
)

// traffic is a period in the terms of the identity: what each factor is made of.
type traffic struct {
	users, turns, requests, rows float64 // turns a user, requests a turn, rows a request
	input, output, cached        float64 // tokens a row; cached is a share of the input
	price, surcharge             float64 // of list, and of usage credits
}

var normal = traffic{users: 100, turns: 5, requests: 4, rows: 1, input: 8000, output: 500, cached: 0.8, price: 1, surcharge: 1}

func (x traffic) period() Period {
	p := Period{Users: x.users, Turns: x.users * x.turns}
	p.Requests = p.Turns * x.requests
	p.Rows = p.Requests * x.rows
	p.Input, p.Output = p.Rows*x.input, p.Rows*x.output
	p.Cached = p.Input * x.cached
	p.Full = p.Input*1.25e-6 + p.Output*10e-6
	p.List = p.Full - p.Cached*1.125e-6
	p.Priced = p.List * x.price
	p.Usage = p.Priced
	p.Credits = p.Usage * x.surcharge
	return p
}

func near(a, b, tol float64) bool { return math.Abs(a-b) <= tol*max(math.Abs(a), math.Abs(b)) }

// One thing changes, and one factor says so.
func TestSplitNamesWhatMoved(t *testing.T) {
	list := func(x traffic) float64 { p := x.period(); return p.List }
	with := func(change func(*traffic)) traffic { x := normal; change(&x); return x }
	uncached := with(func(x *traffic) { x.cached = 0 })
	colder := with(func(x *traffic) { x.cached = 0.4 })
	chattier := with(func(x *traffic) { x.output = 1000 })
	for _, c := range []struct {
		why string
		now traffic
		// all others are 1
		moved map[string]float64
	}{
		{"nothing", normal, nil},
		{"twice the people", with(func(x *traffic) { x.users *= 2 }), map[string]float64{"users": 2}},
		{"people do three times as much", with(func(x *traffic) { x.turns *= 3 }), map[string]float64{"turns": 3}},
		{"the client loops", with(func(x *traffic) { x.requests *= 4 }), map[string]float64{"requests": 4}},
		{"requests are charged twice", with(func(x *traffic) { x.rows *= 2 }), map[string]float64{"rows": 2}},
		{"contexts are larger throughout", with(func(x *traffic) { x.input, x.output = 5*x.input, 5*x.output }), map[string]float64{"tokens": 5}},
		{"nothing is cached any more", uncached, map[string]float64{"cache": list(uncached) / list(normal)}},
		{"half as much is cached", colder, map[string]float64{"cache": list(colder) / list(normal)}},
		{
			"answers are longer: more tokens, and dearer ones", chattier,
			map[string]float64{"tokens": 9.0 / 8.5, "mix": list(chattier) / list(normal) / (9.0 / 8.5)},
		},
		{"twelve times the price", with(func(x *traffic) { x.price = 12 }), map[string]float64{"price": 12}},
		{"penalties on top", with(func(x *traffic) { x.surcharge = 1.5 }), map[string]float64{"surcharge": 1.5}},
		{
			"a loop at a wrong price", with(func(x *traffic) { x.requests *= 3; x.price = 0.5 }),
			map[string]float64{"requests": 3, "price": 0.5},
		},
	} {
		t.Run(c.why, func(t *testing.T) {
			ratio, factors, missing, ok := Split(c.now.period(), normal.period())
			if !ok || len(missing) != 0 {
				t.Fatalf("ok %v, left out %v", ok, missing)
			}
			want := 1.0
			for _, x := range c.moved {
				want *= x
			}
			if !near(ratio, want, 1e-12) {
				t.Errorf("ratio %v, want %v", ratio, want)
			}
			if len(factors) != len(Names) {
				t.Errorf("%d factors, want all of %v", len(factors), Names)
			}
			for _, f := range factors {
				want, ok := c.moved[f.Name]
				if !ok {
					want = 1
				}
				if !near(f.Value, want, 1e-12) {
					t.Errorf("%s x%v, want x%v", f.Name, f.Value, want)
				}
			}
		})
	}
}

// What is zero or unknown is left out, by name, and what it did stands under mix.
func TestSplitLeavesOut(t *testing.T) {
	now := normal
	now.users, now.price = 300, 2
	for _, c := range []struct {
		why     string
		spoil   func(now, base *Period)
		missing []string
		absent  []string // factors that are not there without being missed
		moved   map[string]float64
	}{
		{
			"no turns are sent: requests are per user", func(n, b *Period) { n.Turns, b.Turns = 0, 0 },
			nil,
			[]string{"turns"},
			map[string]float64{"users": 3, "price": 2},
		},
		{
			"turns began to be sent: there is nothing to hold them against", func(_, b *Period) { b.Turns = 0 },
			nil,
			[]string{"turns"},
			map[string]float64{"users": 3, "price": 2},
		},
		{
			"users are unknown: what is per user is a total", func(_, b *Period) { b.Users = 0 },
			[]string{"users"},
			nil,
			map[string]float64{"turns": 3, "price": 2},
		},
		{
			"no price is known", func(n, b *Period) { n.List, n.Full, n.Priced, b.List, b.Full, b.Priced = 0, 0, 0, 0, 0, 0 },
			[]string{"cache", "price"},
			nil,
			map[string]float64{"users": 3, "mix": 2},
		},
		{
			"charges without tokens", func(n, _ *Period) { n.Input, n.Output, n.Cached = 0, 0, 0 },
			[]string{"tokens", "cache"},
			nil,
			map[string]float64{"users": 3, "price": 2},
		},
		{
			"only penalties before", func(_, b *Period) { b.Usage = 0 },
			[]string{"surcharge"},
			nil,
			map[string]float64{"users": 3, "price": 2},
		},
		{
			"no usage rows before", func(_, b *Period) { b.Rows = 0 },
			[]string{"rows", "tokens"},
			nil,
			map[string]float64{"users": 3, "price": 2, "mix": 1},
		},
	} {
		t.Run(c.why, func(t *testing.T) {
			n, b := now.period(), normal.period()
			c.spoil(&n, &b)
			_, factors, missing, ok := Split(n, b)
			if !ok || !slices.Equal(missing, c.missing) {
				t.Fatalf("ok %v, left out %v, want %v", ok, missing, c.missing)
			}
			for _, f := range factors {
				if slices.Contains(missing, f.Name) || slices.Contains(c.absent, f.Name) {
					t.Errorf("%s is left out and stands there with x%v", f.Name, f.Value)
				}
				want, moved := c.moved[f.Name]
				if !moved {
					want = 1
				}
				if !near(f.Value, want, 1e-12) {
					t.Errorf("%s x%v, want x%v", f.Name, f.Value, want)
				}
			}
			if len(factors)+len(missing)+len(c.absent) != len(Names) {
				t.Errorf("%d factors, %d left out, %d not asked for, of %d", len(factors), len(missing), len(c.absent), len(Names))
			}
		})
	}
}

func TestSplitWithoutAPast(t *testing.T) {
	for _, c := range []struct {
		why       string
		now, base Period
	}{
		{"no past", normal.period(), Period{}},
		{"a past of refunds", normal.period(), Period{Credits: -1}},
	} {
		if ratio, factors, missing, ok := Split(c.now, c.base); ok || ratio != 0 || factors != nil || missing != nil {
			t.Errorf("%s: ratio %v, factors %v, left out %v", c.why, ratio, factors, missing)
		}
	}
}

// Nothing is charged any more: the ratio is nought, and the one factor that could be is the price.
func TestSplitOfNothing(t *testing.T) {
	base := normal.period()
	ratio, factors, missing, ok := Split(Period{}, base)
	if want := (Factor{Name: "price", Value: 0, Credits: -base.Credits}); !ok || ratio != 0 || len(missing) != 0 || len(factors) != 1 || factors[0] != want {
		t.Errorf("ratio %v, factors %v, left out %v, ok %v", ratio, factors, missing, ok)
	}
}

func periods() *rapid.Generator[Period] {
	return rapid.Custom(func(t *rapid.T) Period {
		x := func(name string) float64 {
			return rapid.OneOf(rapid.Just(0.0), rapid.Just(1.0), rapid.Float64Range(1e-3, 1e12)).Draw(t, name)
		}
		p := Period{
			Users: x("users"), Turns: x("turns"), Requests: x("requests"), Rows: x("rows"), Input: x("input"), Output: x("output"),
			Credits: x("credits"), Usage: x("usage"), Priced: x("priced"), List: x("list"),
		}
		p.Cached = p.Input * rapid.Float64Range(0, 1).Draw(t, "cached share")
		p.Full = p.List * rapid.Float64Range(1, 10).Draw(t, "full")
		return p
	})
}

// Whatever is zero or unknown: the factors multiply to the ratio, and their credits sum to the change. Tolerance: a dozen
// roundings of logarithms below 60.
func TestSplitProductIsRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now, base := periods().Draw(t, "now"), periods().Draw(t, "base")
		ratio, factors, missing, ok := Split(now, base)
		if ok != (base.Credits > 0) {
			t.Fatalf("ok %v", ok)
		}
		if !ok || ratio == 0 {
			return
		}
		product, sum, scale := 1.0, 0.0, math.Abs(now.Credits-base.Credits)
		ratios := make([]float64, len(factors))
		var names []string
		for i, f := range factors {
			if !(f.Value > 0) || math.IsInf(f.Value, 0) {
				t.Fatalf("%s x%v", f.Name, f.Value)
			}
			if slices.Contains(missing, f.Name) || slices.Contains(names, f.Name) || !slices.Contains(Names, f.Name) {
				t.Fatalf("%s stands in %v beside %v", f.Name, names, missing)
			}
			names = append(names, f.Name)
			product *= f.Value
			sum += f.Credits
			scale += math.Abs(f.Credits)
			ratios[i] = f.Value
		}
		if !near(product, ratio, 1e-9) || !near(ratio, now.Credits/base.Credits, 1e-15) {
			t.Fatalf("the factors multiply to %v, the ratio is %v", product, ratio)
		}
		if math.Abs(sum-(now.Credits-base.Credits)) > 1e-9*scale {
			t.Fatalf("credits sum to %v, the change is %v", sum, now.Credits-base.Credits)
		}
		dst := make([]float64, len(ratios))
		decompose.LMDI(dst, base.Credits, now.Credits, ratios)
		for i, f := range factors {
			if math.Abs(f.Credits-dst[i]) > 1e-12*scale {
				t.Fatalf("%s is worth %v, by the additive LMDI %v", f.Name, f.Credits, dst[i])
			}
		}
	})
}

func TestPeriodArithmetic(t *testing.T) {
	var c cohort.Cell
	c.Users, c.Turns, c.Requests, c.Background, c.Rows, c.Input, c.Cached, c.Output, c.Budgeted, c.Dry = 1, 2, 3, 4, 5, 6, 7, 8, 14, 15
	for i, s := range []*event.Sum{&c.Credits, &c.Usage, &c.Priced, &c.List, &c.Full} {
		s.Add(event.Credits(9+i) * event.Credit)
	}
	want := Period{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	var p Period
	p.Add(&c, 1)
	if p != want {
		t.Errorf("a cell adds %+v, want %+v", p, want)
	}
	p.Add(&c, 0.5)
	if p != want.Scale(1.5) || p != want.Plus(want.Scale(0.5)) {
		t.Errorf("half of it more is %+v", p)
	}
}

func TestPeriodLevel(t *testing.T) {
	p := Period{Users: 10, Turns: 20, Requests: 100, Rows: 200, Background: 40, Input: 2000, Cached: 1000}
	for m, want := range map[cohort.Measure]float64{
		cohort.RequestsPerTurn: 3,    // what was asked for, a turn
		cohort.Background:      2,    // what was not
		cohort.InputPerRequest: 10,   // a row, since each is one request to the model
		cohort.Uncached:        0.55, // a cached token costs a tenth
		cohort.Turns:           2,
		cohort.NumMoments:      0, // no such measure
	} {
		if got := p.Level(m); got != want {
			t.Errorf("measure %d: %v, want %v", m, got, want)
		}
		var none Period
		if got := none.Level(m); got != 0 {
			t.Errorf("measure %d of nothing: %v, want 0", m, got)
		}
	}
}

// What differs among like periods is known of each factor, whatever their order; what they agree in does not differ.
func TestSpreads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		like := make([]Period, rapid.IntRange(3, 9).Draw(t, "periods"))
		for i := range like {
			x := normal
			x.users *= math.Exp(rapid.Float64Range(-1, 1).Draw(t, "users"))
			like[i] = x.period()
		}
		got := Spreads(like[0].Scale(100), like)
		for name, s := range got {
			if name != "users" && s > 1e-9 {
				t.Fatalf("%s differs by %v, and is the same in all", name, s)
			}
		}
		slices.Reverse(like)
		if again := Spreads(like[0].Scale(100), append(like, Period{})); !(math.Abs(again["users"]-got["users"]) < 1e-9) {
			t.Fatalf("users differ by %v, in another order by %v", got["users"], again["users"])
		}
	})
	double, half := normal, normal
	double.users, half.users = 2*normal.users, normal.users/2
	like := []Period{normal.period(), double.period(), half.period()}
	// Held against the mean of the other two, they are ln(1/1.25), ln(2/.75) and ln(.5/1.5).
	if got, want := Spreads(like[1], like)["users"], math.Sqrt((0.2231*0.2231+0.9808*0.9808+1.0986*1.0986)/3); !near(got, want, 1e-3) {
		t.Errorf("users differ by %v, want %v", got, want)
	}
	few, as := Spreads(like[0].Scale(1.0/100), like)["users"], Spreads(like[0].Scale(1.0/400), like)["users"]
	if !near(as, 2*few, 1e-9) {
		t.Errorf("of a hundredth of the rows users differ by %v, of a quarter of those by %v, want twice as much", few, as)
	}
	if got := Spreads(like[0], like[1:]); got != nil {
		t.Errorf("of two periods %v", got)
	}
}

// A small move of what never moves is named before a large one of what always does, and one of this incident before one of another.
func TestWaterfallNamesWhatIsUnusual(t *testing.T) {
	now := changed(func(x *traffic) { x.price, x.users = 1.3, x.users*1.6 })
	f := story(Price, now)
	for _, u := range []float64{0.5, 1, 2, 1.5} {
		like := normal
		like.users *= u
		f.Like = append(f.Like, like.period())
	}
	for _, c := range []struct {
		like   []Period
		usual  map[string]float64
		others map[string]string
		want   string
		behave string
	}{
		{f.Like, nil, nil, "price x1.3 of x2.08", "what users and clients do is x1, beyond what is usual:"},
		{nil, nil, nil, "users x1.6 of x2.08", "what users and clients do is x1.6:"},
		{nil, map[string]float64{"users": 0.3}, nil, "price x1.3 of x2.08", "what users and clients do is x1, beyond what is usual:"},
		{f.Like, map[string]float64{"price": 5}, nil, "price x1.3 of x2.08", "what users and clients do is x1, beyond what is usual:"}, // what it did itself counts
		{nil, nil, map[string]string{"users": "inc_2"}, "price x1.3 of x2.08", "what users and clients do is x1:"},
	} {
		f.Like, f.Usual, f.Others = c.like, c.usual, c.others
		v := Judge(f)
		for code, want := range map[string]string{"factors": c.want, "not_behaviour": c.behave} {
			if !slices.ContainsFunc(v.Evidence, func(e Evidence) bool { return e.Code == code && strings.HasPrefix(e.Text, want) }) {
				t.Errorf("want %s %q in %v", code, want, v.Evidence)
			}
		}
	}
}
