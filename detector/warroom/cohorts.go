package warroom

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Bounds of an answer about cohorts.
const (
	usualCohorts = 20
	mostCohorts  = 100
	mostValues   = 32 // of where
	mostSteps    = 288
	usualSteps   = 60
	finestStep   = 5 * time.Minute
)

// measure is a figure that cohorts are asked for: a sum, or a sum over another, both of the same rows.
type measure struct {
	name, unit, what string
	num, den         []field
}

// field is a sum of a roll-up.
type field struct {
	count detector.Count
	money detector.Money
	paid  bool // it is money
}

func count(c detector.Count) field { return field{count: c} }
func money(m detector.Money) field { return field{money: m, paid: true} }

func (f field) of(t *detector.Totals) float64 {
	if f.paid {
		return t.Money[f.money].Float64()
	}
	return float64(t.Counts[f.count])
}

// measures are in the order in which they are listed; the first is the default.
var measures = []measure{
	{"credits", "credits", "all that was charged", []field{money(detector.MoneyCredits)}, nil},
	{"list_credits", "credits", "list price of the rows whose price is known", []field{money(detector.MoneyList)}, nil},
	{"rows", "rows", "usage rows, failed ones included", []field{count(detector.CountRows)}, nil},
	{"requests", "requests", "requests, each once however often it was charged", []field{count(detector.CountRequests)}, nil},
	{"turns", "turns", "turns of users", []field{count(detector.CountTurns)}, nil},
	{"users", "user-hours", "users at their first row of an hour: active users with a step of 1h", []field{count(detector.CountUsers)}, nil},
	{"failures", "rows", "rows whose status is not ok", []field{count(detector.CountFailures)}, nil},
	{"overpriced_rows", "rows", "rows charged above the price of their tokens", []field{count(detector.CountOver)}, nil},
	{"repeated_rows", "rows", "rows that charge what had been charged", []field{count(detector.CountRepeated)}, nil},
	{"penalty_rows", "rows", "rows charged by an enforcement system", []field{count(detector.CountPenalties)}, nil},
	{"input_tokens", "tokens", "input tokens, cached ones included", []field{count(detector.CountInput)}, nil},
	{"cached_tokens", "tokens", "input tokens read from cache", []field{count(detector.CountCached)}, nil},
	{"output_tokens", "tokens", "output tokens", []field{count(detector.CountOutput)}, nil},
	{"price", "ratio", "charged over list price, of rows whose price is known", []field{money(detector.MoneyPriced)}, []field{money(detector.MoneyList)}},
	{"credits_per_request", "credits", "all that was charged over requests", []field{money(detector.MoneyCredits)}, []field{count(detector.CountRequests)}},
	{"credits_per_user", "credits", "all that was charged over user-hours", []field{money(detector.MoneyCredits)}, []field{count(detector.CountUsers)}},
	{"requests_per_turn", "ratio", "requests over turns", []field{count(detector.CountRequests)}, []field{count(detector.CountTurns)}},
	{"rows_per_request", "ratio", "usage rows over requests", []field{count(detector.CountRows)}, []field{count(detector.CountRequests)}},
	{"tokens_per_row", "tokens", "input and output tokens over usage rows", []field{count(detector.CountInput), count(detector.CountOutput)}, []field{count(detector.CountRows)}},
	{"cached_share", "ratio", "cached over all input tokens", []field{count(detector.CountCached)}, []field{count(detector.CountInput)}},
	{"failure_share", "ratio", "rows whose status is not ok over all", []field{count(detector.CountFailures)}, []field{count(detector.CountRows)}},
}

func measureNames() []string {
	names := make([]string, len(measures))
	for i, m := range measures {
		names[i] = m.name
	}
	return names
}

// of returns the measure of some rows; nil where it is a share of nothing.
func (m *measure) of(t *detector.Totals) *float64 {
	sum := func(fields []field) (x float64) {
		for _, f := range fields {
			x += f.of(t)
		}
		return x
	}
	x := sum(m.num)
	if m.den != nil {
		d := sum(m.den)
		if d == 0 {
			return nil
		}
		x /= d
	}
	return &x
}

// rank says which cohorts come first: those with most of it, or of a ratio those that are charged most.
func (m *measure) rank(t *detector.Totals) float64 {
	if m.den != nil {
		return t.Money[detector.MoneyCredits].Float64()
	}
	return *m.of(t)
}

// fields are what has to be summed: credits and rows always, since no figure stands without what it rests on.
func (m *measure) fields() detector.Fields {
	f := detector.Fields{Counts: []detector.Count{detector.CountRows}, Money: []detector.Money{detector.MoneyCredits}}
	for _, x := range slices.Concat(m.num, m.den) {
		switch {
		case x.paid && !slices.Contains(f.Money, x.money):
			f.Money = append(f.Money, x.money)
		case !x.paid && !slices.Contains(f.Counts, x.count):
			f.Counts = append(f.Counts, x.count)
		}
	}
	return f
}

// cohortSums is what a cohort, or several together, did over the whole time.
type cohortSums struct {
	Total   *float64  `json:"total"` // of the measure
	Rows    int64     `json:"rows"`
	Credits event.Sum `json:"credits"`
}

type cohortItem struct {
	Where map[string]string `json:"where"`
	cohortSums
	Values []*float64 `json:"values"` // of the measure, a step each; null where it is a share of nothing
	Counts []int64    `json:"counts"` // rows, a step each
}

type cohortOthers struct {
	Cohorts int `json:"cohorts"`
	cohortSums
}

type cohortAnswer struct {
	Measure    string              `json:"measure"`
	Unit       string              `json:"unit"`
	By         []string            `json:"by"`
	Where      map[string][]string `json:"where"`
	From       time.Time           `json:"from"`
	To         time.Time           `json:"to"`
	Step       string              `json:"step"`
	Times      []time.Time         `json:"times"` // starts of the steps
	Cohorts    []cohortItem        `json:"cohorts"`
	Others     cohortOthers        `json:"others"`     // beyond limit, together
	Everything cohortSums          `json:"everything"` // all that fulfils where
	KeptFrom   time.Time           `json:"kept_from"`  // nothing older is known
	AsOf       time.Time           `json:"as_of"`      // event time up to which rows are counted
	Folded     int64               `json:"folded"`     // figures counted under __other__ for want of room
}

func (s *Server) cohorts(w http.ResponseWriter, r *http.Request) error {
	p, err := readParams(r)
	if err != nil {
		return err
	}
	roll := s.rollup()
	if roll == nil {
		return notReady("no rows have been counted yet; /readyz says what the program waits for")
	}
	now := time.Unix(0, roll.At).UTC()
	q := &detector.CohortQuery{By: p.dims("by"), Where: p.where(), Most: p.limit(usualCohorts, mostCohorts)}
	from, to := p.moment("from", now), p.moment("to", now)
	if to.IsZero() {
		to = now
	}
	if from.IsZero() {
		from = to.Add(-24 * time.Hour)
	}
	checkOrder(p, from, to)
	span := to.Sub(from)
	if span > 31*24*time.Hour {
		p.refuse("from", "lies %v before to; ask for 31 days at most, of which the last is known", span.Round(time.Hour))
		span = 24 * time.Hour
	}
	usual := max((span/usualSteps + finestStep - 1).Truncate(finestStep), finestStep)
	step := p.length("step", usual, finestStep, 24*time.Hour)
	q.From, q.To, q.Step = from.UnixNano(), to.UnixNano(), int64(step)
	if span/step > mostSteps {
		p.refuse("step", "makes %d steps; at most %d are answered, so take a longer step or a shorter time", span/step, mostSteps)
	}
	m := measures[0]
	if name := p.choice("measure", measureNames()); name != "" {
		m = measures[slices.IndexFunc(measures, func(x measure) bool { return x.name == name })]
	}
	if err := p.done(); err != nil {
		return err
	}
	q.Rank, q.Fields = m.rank, m.fields()
	write(w, http.StatusOK, "application/json", answerCohorts(roll, q, &m))
	return nil
}

// dims returns dimensions, separated by commas or given several times.
func (p *params) dims(name string) []event.Dim {
	p.known = append(p.known, name)
	var out []event.Dim
	for _, v := range p.values[name] {
		for word := range strings.SplitSeq(v, ",") {
			d, ok := event.ParseDim(word)
			switch {
			case !ok:
				p.refuse(name, "%s is no dimension; use some of %s", quoted(word), strings.Join(dimNames(), ","))
			case slices.Contains(out, d):
				p.refuse(name, "names %s twice; keep one", d)
			default:
				out = append(out, d)
			}
		}
	}
	return out
}

// where returns conditions: one value of each dimension that is named, or one of several where it is named several times.
func (p *params) where() map[event.Dim][]string {
	p.known = append(p.known, "where")
	out := map[event.Dim][]string{}
	if n := len(p.values["where"]); n > mostValues {
		p.refuse("where", "is given %d times; give it %d times at most", n, mostValues)
		return out
	}
	for _, v := range p.values["where"] {
		name, value, ok := strings.Cut(v, "=")
		d, known := event.ParseDim(name)
		switch {
		case !ok || !known:
			p.refuse("where", "%s is no condition; write a dimension and its value, such as plan=pro (dimensions: %s)", quoted(v), strings.Join(dimNames(), ","))
		case len(value) > maxName:
			p.refuse("where", "%s is longer than the %d bytes that a value can have", quoted(v), maxName)
		default:
			out[d] = append(out[d], value)
		}
	}
	return out
}

func dimNames() []string {
	names := make([]string, event.NumDims)
	for d := range event.NumDims {
		names[d] = d.String()
	}
	return names
}

func answerCohorts(roll *detector.Rollup, q *detector.CohortQuery, m *measure) *cohortAnswer {
	a := roll.Ask(q)
	defer a.Release()
	utc := func(ns int64) time.Time { return time.Unix(0, ns).UTC() }
	sums := func(t *detector.Totals) cohortSums {
		return cohortSums{m.of(t), t.Counts[detector.CountRows], t.Money[detector.MoneyCredits]}
	}
	out := &cohortAnswer{
		Measure: m.name, Unit: m.unit, By: []string{}, Where: map[string][]string{}, From: utc(a.From), To: utc(a.To), Step: shortly(time.Duration(q.Step)),
		Times: []time.Time{}, Cohorts: []cohortItem{}, Others: cohortOthers{a.Others, sums(&a.Rest)}, Everything: sums(&a.Everything),
		KeptFrom: utc(roll.From()), AsOf: utc(roll.At), Folded: roll.Folded,
	}
	for _, d := range q.By {
		out.By = append(out.By, d.String())
	}
	for d, values := range q.Where {
		out.Where[d.String()] = values
	}
	for i := range q.Steps() {
		out.Times = append(out.Times, utc(a.From+int64(i)*q.Step))
	}
	for i := range a.Cohorts {
		c := &a.Cohorts[i]
		x := cohortItem{Where: map[string]string{}, cohortSums: sums(&c.Total)}
		for k, d := range q.By {
			x.Where[d.String()] = c.Values[k]
		}
		for k := range c.Steps {
			x.Values = append(x.Values, m.of(&c.Steps[k]))
			x.Counts = append(x.Counts, c.Steps[k].Counts[detector.CountRows])
		}
		out.Cohorts = append(out.Cohorts, x)
	}
	return out
}

// shortly writes 5m0s as 5m, and 1h0m0s as 1h.
func shortly(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (s *Server) rollup() *detector.Rollup {
	if e := s.o.Engine(); e != nil {
		return e.Rollup()
	}
	return nil
}

// head returns the newest event time, by which relative times are counted; the clock's where there is none.
func (s *Server) head() time.Time {
	if r := s.rollup(); r != nil {
		return time.Unix(0, r.At).UTC()
	}
	return s.o.Now().UTC()
}
