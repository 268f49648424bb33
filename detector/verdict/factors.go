package verdict

import (
	"cmp"
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/stats/decompose"
)

// Names of the factors in the order of the identity.
var Names = []string{"users", "turns", "requests", "rows", "tokens", "cache", "mix", "price", "surcharge"}

// Period is what a scope drew over a stretch of time; a baseline is scaled to the same length. Users are active user-hours.
type Period struct {
	Users, Turns, Requests, Background, Rows, Input, Cached, Output float64
	Credits, Usage, Priced, List, Full                              float64
	Budgeted, Dry                                                   float64 // user-hours with a window, and those in which it looked like running dry
}

// Add adds w times the sums of c.
func (p *Period) Add(c *cohort.Cell, w float64) {
	p.Users += w * float64(c.Users)
	p.Turns += w * float64(c.Turns)
	p.Requests += w * float64(c.Requests)
	p.Background += w * float64(c.Background)
	p.Rows += w * float64(c.Rows)
	p.Input += w * float64(c.Input)
	p.Cached += w * float64(c.Cached)
	p.Output += w * float64(c.Output)
	p.Credits += w * c.Credits.Float64()
	p.Usage += w * c.Usage.Float64()
	p.Priced += w * c.Priced.Float64()
	p.List += w * c.List.Float64()
	p.Full += w * c.Full.Float64()
	p.Budgeted += w * float64(c.Budgeted)
	p.Dry += w * float64(c.Dry)
}

// Plus returns p + q.
func (p Period) Plus(q Period) Period {
	return Period{
		p.Users + q.Users, p.Turns + q.Turns, p.Requests + q.Requests, p.Background + q.Background, p.Rows + q.Rows, p.Input + q.Input, p.Cached + q.Cached,
		p.Output + q.Output, p.Credits + q.Credits, p.Usage + q.Usage, p.Priced + q.Priced, p.List + q.List, p.Full + q.Full,
		p.Budgeted + q.Budgeted, p.Dry + q.Dry,
	}
}

// Scale returns p times w.
func (p Period) Scale(w float64) Period {
	return Period{
		p.Users * w, p.Turns * w, p.Requests * w, p.Background * w, p.Rows * w, p.Input * w, p.Cached * w, p.Output * w,
		p.Credits * w, p.Usage * w, p.Priced * w, p.List * w, p.Full * w,
		p.Budgeted * w, p.Dry * w,
	}
}

// Level returns what a measure of behaviour comes to over a period, 0 where it is unknown.
func (p *Period) Level(m cohort.Measure) float64 {
	n, d := p.Parts(m)
	if n <= 0 || d <= 0 {
		return 0
	}
	return n / d
}

// Parts returns what a measure's level is the quotient of.
func (p *Period) Parts(m cohort.Measure) (n, d float64) {
	switch m {
	case cohort.RequestsPerTurn:
		n, d = p.Requests-p.Background, p.asked()
	case cohort.Background:
		n, d = p.Background, p.asked()
	case cohort.InputPerRequest:
		n, d = p.Input, p.Rows
	case cohort.OutputPerRequest:
		n, d = p.Output, p.Rows
	case cohort.Uncached:
		n, d = p.Input-0.9*p.Cached, p.Input
	case cohort.Turns:
		n, d = p.Turns, p.Users
	case cohort.Uncounted:
		n, d = p.Rows, p.Input
	case cohort.NumMoments:
	}
	return n, d
}

// asked returns turns, and active user-hours where no turns are sent.
func (p *Period) asked() float64 {
	if p.Turns > 0 {
		return p.Turns
	}
	return p.Users
}

// Factor is one quotient of the identity.
type Factor struct {
	Name    string
	Value   float64 // now ÷ baseline
	Credits float64 // what it is worth, by LMDI
	Spread  float64 // root mean square of its logarithm among like periods before, 0 where it is unknown
	Of      string  // the incident that explains it: another one of the same rows, or its own where a loss took it; "" where there is none
	Told    bool    // it stands where rows by themselves say that the incident takes it: then it is no chance, however usual
}

// Beyond returns by how much the factor moved, as a logarithm, beyond twice what like periods differ by of themselves: a price of
// 1.3 times is news among users who come and go by half. It is negative for what is usual.
func (f *Factor) Beyond() float64 { return math.Abs(math.Log(f.Value)) - 2*f.Spread }

// Compare orders factors by how much they have to say of this incident: those that moved more than usual by how much more, then
// the others by how much they moved, then what an incident explains as a factor that is not its cause's.
func (f *Factor) Compare(g *Factor) int {
	if c := cmp.Compare(g.rank(), f.rank()); c != 0 {
		return c
	}
	if f.rank() == unusual {
		return cmp.Compare(g.Beyond(), f.Beyond())
	}
	return cmp.Compare(math.Abs(math.Log(g.Value)), math.Abs(math.Log(f.Value)))
}

const (
	explained = iota
	usual
	unusual
)

func (f *Factor) rank() int {
	switch {
	case f.Of != "":
		return explained
	case f.Beyond() > 0 || f.Told:
		return unusual
	}
	return usual
}

// Usual says whether the factor moved no more than like periods differ by, and nothing tells that it was no chance.
func (f *Factor) Usual() bool { return f.rank() == usual }

// Spreads returns what each factor of now would differ by of itself: the root mean square, among like periods, of the logarithm of
// each one's, held against the mean of the others. What has fewer rows than they have at the mean, as in its first minutes,
// differs by more, as the square root of how many fewer. Periods without credits tell nothing; fewer than three are none.
func Spreads(now Period, like []Period) map[string]float64 {
	like = slices.DeleteFunc(slices.Clone(like), func(p Period) bool { return !(p.Credits > 0) })
	if len(like) < 3 {
		return nil
	}
	var all Period
	for _, p := range like {
		all = all.Plus(p)
	}
	squares, n := map[string]float64{}, map[string]float64{}
	for _, p := range like {
		_, factors, _, _ := Split(p, all.Plus(p.Scale(-1)).Scale(1/float64(len(like)-1)))
		for _, f := range factors {
			l := math.Log(f.Value)
			squares[f.Name] += l * l
			n[f.Name]++
		}
	}
	fewer := max(all.Rows/float64(len(like))/max(now.Rows, 1), 1)
	for name := range squares {
		squares[name] = math.Sqrt(squares[name] / n[name] * fewer)
	}
	return squares
}

// Split returns ratio = now ÷ base in credits, the factors whose product it is, and the names of those left out because
// their baseline is zero or unknown; the effect of those stands under mix. ok is false where the base has no credits: then
// there is neither ratio nor factors.
//
//	credits = users × turns/user × requests/turn × rows/request × tokens/row × cache × mix × usage credits/list × credits/usage credits
//
// The cache effect is the list price of the tokens over their list price at the baseline's cached share; mix is whatever
// else moves list price a token. The credits that a factor f is worth are L(now, base)·ln f, with L the logarithmic mean
// (Ang, The LMDI approach to decomposition analysis, 2005); they sum to now − base.
func Split(now, base Period) (ratio float64, factors []Factor, missing []string, ok bool) {
	if base.Credits <= 0 || now.Credits < 0 {
		return 0, nil, nil, false
	}
	ratio = now.Credits / base.Credits
	if ratio == 0 {
		// Nothing is charged: all of it is the price, as far as one can tell.
		return 0, []Factor{{Name: "price", Value: 0, Credits: -base.Credits}}, nil, true
	}
	rest := ratio
	add := func(name string, n1, d1, n0, d0 float64) {
		f := n1 / d1 / (n0 / d0)
		if !(f > 0) || math.IsInf(f, 0) {
			missing = append(missing, name)
			return
		}
		factors = append(factors, Factor{Name: name, Value: f})
		rest /= f
	}
	add("users", now.Users, 1, base.Users, 1)
	userful := len(missing) == 0
	perUser := func(p Period) float64 {
		if userful {
			return p.Users
		}
		return 1
	}
	if now.Turns > 0 && base.Turns > 0 {
		add("turns", now.Turns, perUser(now), base.Turns, perUser(base))
		add("requests", now.Requests, now.Turns, base.Requests, base.Turns)
	} else {
		add("requests", now.Requests, perUser(now), base.Requests, perUser(base))
	}
	add("rows", now.Rows, now.Requests, base.Rows, base.Requests)
	tokens := func(p Period) float64 { return p.Input + p.Output }
	add("tokens", tokens(now), now.Rows, tokens(base), base.Rows)
	if c := cacheEffect(now, base); c > 0 {
		add("cache", c, 1, 1, 1)
	} else {
		missing = append(missing, "cache")
	}
	add("price", now.Priced, now.List, base.Priced, base.List)
	add("surcharge", now.Credits, now.Usage, base.Credits, base.Usage)
	factors = append(factors, Factor{Name: "mix", Value: rest})
	l := decompose.LogMean(now.Credits, base.Credits)
	for i := range factors {
		factors[i].Credits = l * math.Log(factors[i].Value)
	}
	return ratio, factors, missing, true
}

// cacheEffect returns list ÷ list at the baseline's cached share, 0 where it is unknown.
func cacheEffect(now, base Period) float64 {
	if now.List <= 0 || now.Input <= 0 || base.Input <= 0 {
		return 0
	}
	saving := 0.0 // credits a cached token saves
	switch {
	case now.Cached > 0:
		saving = (now.Full - now.List) / now.Cached
	case base.Cached > 0 && base.Full > 0:
		// Nothing is cached now: take what a token saved in the baseline.
		saving = (base.Full - base.List) / base.Cached
	}
	at := now.Full - base.Cached/base.Input*now.Input*saving
	if at <= 0 {
		return 0
	}
	return now.List / at
}
