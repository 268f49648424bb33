package verdict

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// Evidence is one line for or against a verdict, with the figure that carries it.
type Evidence struct {
	Code     string   `json:"code"`
	Text     string   `json:"text"`
	Observed *float64 `json:"observed,omitempty"`
	Expected *float64 `json:"expected,omitempty"`
	Against  bool     `json:"against,omitempty"` // counter-evidence: what speaks for another verdict, or what was ruled out
}

// Figures are what evidence is written from: what a scope drew, against what it used to.
type Figures struct {
	Cause     Cause
	Where     cohort.Where // of a cohort
	User      string       // of one user, "" for a cohort
	Now, Base Period
	Inside    cohort.Cell // sums of the scope since the onset
	Outside   cohort.Cell // sums of everything else since the onset
	Flag      cohort.Flag // the flag that the cause is seen by
	Measure   cohort.Measure
	ByMeasure bool     // the cause is seen by Measure rather than Flag
	Shift     float64  // mean log-ratio of the measure inside
	Elsewhere float64  // and outside
	Gain      float64  // nats for the scope
	Loser     string   // the description that fitted as well and lost
	Adopted   string   // the value of the scope that appeared with the onset
	Planned   string   // the calendar entry that covers it
	Lacks     []string // fields that might tell the cause, and that no row of the scope carries
	HasCard   bool
	Like      []Period           // what the scope drew in like periods before, the latest first: they tell what is usual
	Usual     map[string]float64 // what each factor differs by of itself where Like does not tell, as a logarithm
	Others    map[string]string  // other incidents of the same rows, by the factor that each moves; never the cause's own
	Beside    []Beside           // those of them that are a client's fault, where the cause is a meter's
	Incident  string             // its own, once it is said
	Left      Left               // what a loss of requests leaves
	Unasked   Period             // what of Now nobody asked for, where the cause is about that
	Blends    func() [2]Blend    // what the scope drew by plan and model, in Base and in Now; asked only where mix moved
	Runs      *Period            // what the scope's windows did, where its plans have budgets
	RunsBase  *Period            // and in like hours before
}

// Verdict is what is said.
type Verdict struct {
	Ratio      float64
	Factors    []Factor
	HasRatio   bool
	Confidence float64
	Evidence   []Evidence
}

// Factor returns the value of a factor, 1 where it is not told.
func (v *Verdict) Factor(name string) float64 {
	for _, x := range v.Factors {
		if x.Name == name {
			return x.Value
		}
	}
	return 1
}

// Judge writes the verdict on figures.
func Judge(f *Figures) Verdict {
	v := Verdict{Confidence: confidence(f)}
	var missing []string
	v.Ratio, v.Factors, missing, v.HasRatio = Split(f.Now, f.Base)
	spreads := Spreads(f.Now, f.Like)
	if len(spreads) == 0 {
		spreads = f.Usual
	}
	for i := range v.Factors {
		x := &v.Factors[i]
		x.Spread, x.Of = spreads[x.Name], f.Others[x.Name]
	}
	for i := range f.Beside {
		f.Beside[i].explain(f.Cause.Factor, v.Factors)
	}
	made := append(f.Left.explain(f.Incident, v.Factors), added(f, v.Factors)...)
	v.Evidence = append(v.Evidence, cardinal(f)...)
	v.Evidence = append(v.Evidence, siblings(f)...)
	if v.HasRatio {
		v.Evidence = append(append(v.Evidence, waterfall(f, v)...), made...)
	}
	v.Evidence = append(v.Evidence, blended(f, v, missing)...)
	for _, name := range missing {
		v.Evidence = append(v.Evidence, line("factor_left_out", fmt.Sprintf("%s: no baseline to hold it against; its effect stands under mix", name)))
	}
	v.Evidence = append(v.Evidence, runningDry(f)...)
	v.Evidence = append(v.Evidence, against(f, v)...)
	return v
}

// confidence grows with the evidence for the scope, a little slower for a client's fault, which rests on averages. 1 is never said.
func confidence(f *Figures) float64 {
	gain := max(f.Gain, 0)
	c := gain / (gain + 4)
	if f.Cause.Class == ClientBug {
		c *= 0.97
	}
	return min(max(c, 0.5), 0.995)
}

func line(code, text string) Evidence { return Evidence{Code: code, Text: Inert(text)} }

// figure is a line with the figure that carries it. One that is not finite stays in words: JSON has no such number.
func figure(code, text string, observed, expected float64) Evidence {
	return Evidence{Code: code, Text: Inert(text), Observed: finite(observed), Expected: finite(expected)}
}

func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// Inert returns text with what does not print escaped: evidence quotes values that others chose, and ends in terminals and logs.
func Inert(text string) string {
	if strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var b []byte
	for _, r := range text {
		if hidden(r) {
			q := strconv.AppendQuoteRuneToASCII(nil, r)
			b = append(b, q[1:len(q)-1]...)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

func hidden(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
