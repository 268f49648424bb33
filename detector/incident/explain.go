package incident

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Explanation is what an on-call engineer asks of one incident, answered from its records and nothing else: what a record does
// not say is left out. Its texts quote what others chose; whoever prints them makes them inert (Neutral).
type Explanation struct {
	Alert       Record     `json:"alert"`                 // the last revision
	Headline    string     `json:"headline"`              // who, how many times, since when, how much, verdict
	Who         string     `json:"who"`                   // the scope in words
	Began       string     `json:"began"`                 // between when and when the fault itself began; "" where that is not known
	Sure        string     `json:"sure"`                  // the confidence in words
	For         []Evidence `json:"for"`                   //
	Against     []Evidence `json:"against"`               //
	RuledOut    []RuledOut `json:"ruled_out"`             // what else was looked at
	AlsoMoved   []RuledOut `json:"also_moved"`            // what else moved, and the verdict does not explain
	WouldChange []string   `json:"would_change"`          // what would change the verdict
	Next        string     `json:"next"`                  // "" where this version does not know the cause
	Timeline    []Change   `json:"timeline"`              // oldest first
	Missing     int        `json:"missing_revisions"`     // revisions below the last that were not given
	Continued   string     `json:"merged_into,omitempty"` // the incident that goes on in this one's place
}

// RuledOut is another explanation and the figure that speaks for or against it.
type RuledOut struct {
	What string `json:"what"`
	By   string `json:"by"`
}

// Change is what one revision told a reader of the one before.
type Change struct {
	Revision int       `json:"revision"`
	At       time.Time `json:"at"`
	Status   Status    `json:"status"`
	What     []string  `json:"what"`
}

// suspects are what each factor of the identity would show, in the order in which they are told.
var suspects = []struct{ factor, what string }{
	{"price", "a wrong price, a lost cache discount, charged failures"},
	{"rows", "requests that are charged more than once"},
	{"surcharge", "penalties and adjustments"},
	{"tokens", "tokens counted wrong, larger contexts"},
	{"cache", "a client that misses the cache"},
	{"requests", "a client that loops or works unasked"},
	{"turns", "people who do more"},
	{"users", "more users than usual"},
	{"mix", "other plans and models, other shares of input and output"},
}

// unmoved is the log of the multiple below which a factor explains nothing: what hours that are alike differ by.
var unmoved = math.Log(1.1)

// Explain returns what the records of one incident say, in whatever order and however often they came. It panics without any.
func Explain(records []Record) Explanation {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.Revision, b.Revision) })
	records = slices.CompactFunc(records, func(a, b Record) bool { return a.Revision == b.Revision })
	last := records[len(records)-1]
	x := ExplainOne(last)
	x.Missing = max(last.Revision-len(records), 0)
	for i := range records {
		if i == 0 {
			x.Timeline = append(x.Timeline, First(&records[0]))
		} else {
			x.Timeline = append(x.Timeline, Between(&records[i-1], &records[i]))
		}
	}
	return x
}

// ExplainOne returns what one record says, without a timeline.
func ExplainOne(r Record) Explanation {
	x := Explanation{
		Alert: r, Headline: Headline(&r), Who: r.Scope.words(), Sure: fmt.Sprintf("%.0f%%", min(100*r.Confidence, 99)), Next: Advice(&r),
		For: []Evidence{}, Against: []Evidence{}, RuledOut: []RuledOut{}, AlsoMoved: []RuledOut{}, Timeline: []Change{},
	}
	for _, e := range r.Evidence {
		if e.Against {
			x.Against = append(x.Against, e)
		} else {
			x.For = append(x.For, e)
		}
	}
	if r.MergedInto != nil {
		x.Continued = *r.MergedInto
	}
	x.Began = r.Onset.Words()
	x.weigh()
	x.WouldChange = x.doubts()
	return x
}

// Words says an onset as people do; "" of none.
func (o *Onset) Words() string {
	if o == nil {
		return ""
	}
	from, to := o.From.UTC(), o.To.UTC()
	if from.Truncate(time.Second).Equal(to.Truncate(time.Second)) {
		return fmt.Sprintf("at %s, to the second (%.0f%% sure)", from.Format(moment), 100*o.Level)
	}
	last := to.Add(time.Second - 1).Truncate(time.Second).Format(moment) // both ends lie in what is said
	if from.Truncate(24 * time.Hour).Equal(to.Truncate(24 * time.Hour)) {
		last = last[len("2006-01-02 "):]
	}
	return fmt.Sprintf("between %s and %s (%.0f%% sure)", from.Format(moment), last, 100*o.Level)
}

// words names a scope with its dimensions, and every account of linked ones.
func (s Scope) words() string {
	switch s.Kind {
	case "user":
		return "user " + s.User
	case "users":
		text := fmt.Sprintf("%s linked by %s:", plural(len(s.Users), "account"), s.LinkedBy)
		for i, u := range s.Users {
			if i == 10 {
				return text + fmt.Sprintf(" and %d more", len(s.Users)-i)
			}
			text += " " + u
		}
		return text
	}
	return s.Conds().String()
}

// weigh sorts what else could have been the cause into what a figure rules out and what moved as well.
func (x *Explanation) weigh() {
	r := &x.Alert
	own := causeOf(r.Class, r.Cause).Factor
	if r.Class == string(verdict.MeteringBug) && own == verdict.TokenCount.Factor && r.Moved() == verdict.Price.Factor {
		own = verdict.Price.Factor // they are counted right in the rows, and charged wrong
	}
	for _, s := range suspects {
		f := r.factor(s.factor)
		if s.factor == own || r.Ratio == nil || *r.Ratio <= 0 || f.Value <= 0 {
			continue // or it is not stated
		}
		item := RuledOut{s.what, fmt.Sprintf("%s x%.3g of x%.3g", s.factor, f.Value, *r.Ratio)}
		if s.factor == "mix" {
			item.By += r.mixed()
		}
		moved := explains(math.Log(f.Value), math.Log(*r.Ratio))
		if moved && f.Usual() {
			item.By += fmt.Sprintf(", as like hours differ (x%.3g)", r.Usual[s.factor])
			moved = false
		}
		switch f.Of {
		case "":
		case r.Incident:
			item.By += ", which came with it"
			moved = false
		default:
			item.By += ", which " + f.Of + " explains"
		}
		if moved {
			x.AlsoMoved = append(x.AlsoMoved, item)
		} else {
			x.RuledOut = append(x.RuledOut, item)
		}
	}
	for _, e := range r.Evidence {
		what := ""
		switch e.Code {
		case "siblings_unaffected":
			if e.Observed != nil && e.Expected != nil && math.Abs(*e.Observed-*e.Expected) < 0.05 {
				what = "a fault of everybody's"
			}
		case "charges_right":
			what = "wrong charges"
		case "other_description":
			what = "another scope"
		case "not_metering", "not_a_bug":
			what = "a fault of the meter"
		case "not_abuse":
			what = "abuse"
		case "known_identity":
			what = "theft"
		case "planned":
			what = "what was planned"
		}
		if what != "" {
			x.RuledOut = append(x.RuledOut, RuledOut{what, e.Text})
		}
	}
}

var partWords = strings.NewReplacer("input_output", "input/output", "_", " ")

// mixed says what the mix effect is made of, where the evidence tells.
func (r *Record) mixed() string {
	var parts []string
	for _, e := range r.Evidence {
		if name, ok := strings.CutPrefix(e.Code, "mix_"); ok && e.Observed != nil {
			parts = append(parts, fmt.Sprintf("%s x%.3g", partWords.Replace(name), *e.Observed))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// explains says whether a factor has a part in a ratio, both in logs: it moved, in the same direction, and is worth a tenth of it.
func explains(f, ratio float64) bool {
	switch {
	case ratio > unmoved:
		return f > max(unmoved, ratio/10)
	case ratio < -unmoved:
		return f < min(-unmoved, ratio/10)
	}
	return math.Abs(f) > unmoved
}

// First returns what the first record that is known of an incident says.
func First(r *Record) Change {
	c := Change{Revision: r.Revision, At: r.UpdatedAt, Status: r.Status}
	opened := "opened"
	if r.Revision > 1 {
		opened = "first known revision"
	}
	c.What = []string{opened, string(r.Severity), r.Class + " " + r.Cause, r.Scope.words(), plural(r.UsersAffected, "user")}
	if !r.Overcharge.IsZero() {
		c.What = append(c.What, amount(r.Overcharge)+" credits")
	}
	c.What = append(c.What, splits(nil, r.Evidence)...)
	return c
}

// Between returns what changed from one record of an incident to a later one.
func Between(a, b *Record) Change {
	c := Change{Revision: b.Revision, At: b.UpdatedAt, Status: b.Status, What: []string{}}
	say := func(name, from, to string) {
		if from != to {
			c.What = append(c.What, fmt.Sprintf("%s %s -> %s", name, from, to))
		}
	}
	switch {
	case b.MergedInto != nil && a.MergedInto == nil:
		c.What = append(c.What, "goes on as "+*b.MergedInto)
	case b.Status != a.Status && b.Status == Firing:
		c.What = append(c.What, "fires again")
	case b.Status != a.Status:
		c.What = append(c.What, string(b.Status))
	}
	c.What = append(c.What, splits(a.Evidence, b.Evidence)...)
	say("verdict", a.Class+" "+a.Cause, b.Class+" "+b.Cause)
	say("scope", a.Scope.words(), b.Scope.words())
	say("severity", string(a.Severity), string(b.Severity))
	say("began", a.StartedAt.UTC().Format(moment), b.StartedAt.UTC().Format(moment))
	say("users", thousands(float64(a.UsersAffected)), thousands(float64(b.UsersAffected)))
	say("credits", amount(a.Overcharge), amount(b.Overcharge))
	if a.Ratio != nil && b.Ratio != nil && math.Abs(*b.Ratio-*a.Ratio) > 0.1**a.Ratio {
		say("charged", fmt.Sprintf("%.3gx", *a.Ratio), fmt.Sprintf("%.3gx", *b.Ratio))
	}
	if len(c.What) == 0 {
		c.What = append(c.What, "figures brought up to date")
	}
	return c
}

// splits returns what evidence says of splits that was not there before.
func splits(before, now []Evidence) (out []string) {
	for _, e := range now {
		if (e.Code == splitOff || e.Code == splitFrom) && !slices.ContainsFunc(before, func(o Evidence) bool { return o.Code == e.Code && o.Text == e.Text }) {
			out = append(out, e.Text)
		}
	}
	return out
}

const moment = "2006-01-02 15:04:05Z"
