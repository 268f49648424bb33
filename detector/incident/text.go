package incident

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Identity is what records say of the program that wrote them.
type Identity struct {
	ConfigVersion, ProgramVersion, Runbook, LinkBase string
}

// Record returns the revision of the incident that people see.
func (i *Incident) Record(id Identity) Record {
	r := Record{
		V: 1, Incident: i.ID, Revision: i.Revision, Status: i.Status,
		Class: string(i.Cause.Class), Cause: i.Cause.Name, Severity: i.Severity, Confidence: round(i.Verdict.Confidence, 4),
		Scope: i.Scope, StartedAt: utc(i.StartedAt), DetectedAt: utc(i.DetectedAt), UpdatedAt: utc(i.UpdatedAt),
		UsersAffected: i.Users, Overcharge: i.Overcharge, ConfigVersion: id.ConfigVersion, ProgramVersion: id.ProgramVersion,
		Evidence: i.Verdict.Evidence, Title: i.title(), Summary: i.summary(), Links: map[string]string{},
	}
	if o := i.Onset.Holding(i.StartedAt); o.Known() {
		r.Onset = &Onset{utc(o.From), utc(o.To), OnsetLevel}
	}
	if i.Status == Resolved {
		end := utc(i.LastAt)
		r.EndedAt = &end
	}
	if i.Verdict.HasRatio {
		ratio := round(i.Verdict.Ratio, 9)
		r.Ratio = &ratio
		r.Factors = map[string]float64{}
		for _, f := range i.Verdict.Factors {
			r.Factors[f.Name] = round(f.Value, 9)
			if f.Spread > 0 {
				put(&r.Usual, f.Name, round(math.Exp(f.Spread), 4))
			}
			switch {
			case f.Of != "":
				put(&r.Explained, f.Name, f.Of)
			case f.Told:
				put(&r.Explained, f.Name, i.ID)
			}
		}
	}
	if i.MergedInto != "" {
		into := i.MergedInto
		r.MergedInto = &into
	}
	if id.Runbook != "" {
		r.Runbook = strings.TrimSuffix(id.Runbook, "/") + "/" + string(i.Cause.Class) + "/" + i.Cause.Name
	}
	if id.LinkBase != "" {
		r.Links["incident"] = strings.TrimSuffix(id.LinkBase, "/") + "/incidents/" + i.ID
	}
	r.Evidence = append(append([]Evidence{}, r.Evidence...), i.parted()...)
	return r
}

// parted says of each split what it was that was told as one.
func (i *Incident) parted() (out []Evidence) {
	for _, s := range i.Splits {
		until := utc(s.Until).Format(moment)
		if s.Off {
			out = append(out, Evidence{Code: splitOff, Text: "split off: " + s.With + ", of which rows were told as part of this incident until " + until})
		} else {
			out = append(out, Evidence{Code: splitFrom, Text: "split from: its first rows were told as part of " + s.With + " until " + until})
		}
	}
	return out
}

// The codes of evidence that links what was told as one incident and turned out to be two.
const (
	splitOff  = "split_off"
	splitFrom = "split_from"
)

func put[V any](m *map[string]V, k string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[k] = v
}

// round keeps digits significant digits, so that records do not differ in the last bits of a float.
func round(x float64, digits int) float64 {
	y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64)
	if err != nil {
		return x
	}
	return y
}

var classNames = map[verdict.Class]string{
	verdict.MeteringBug: "Metering bug", verdict.ClientBug: "Client bug", verdict.Abuse: "Abuse", verdict.Organic: "Organic",
	verdict.UnderMetering: "Under-metering", verdict.Unknown: "Unexplained",
}

// title is who, how many times, since when, in one line.
func (i *Incident) title() string {
	s := classNames[i.Cause.Class] + ": " + i.who()
	switch {
	case i.Cause == verdict.Window:
		s += " shown a wrong gauge" // what it is charged is right
	case i.Cause == verdict.LostRows || i.Cause == verdict.FewTokens:
		s += " charged " + times(i.multiplied()) + " of what was used" // by which it fell short, however busy it is
	case i.Verdict.HasRatio:
		s += " charged " + times(i.Verdict.Ratio)
	}
	return s + " since " + utc(i.StartedAt).Format("15:04Z")
}

// summary adds how much, the verdict, and what to do.
func (i *Incident) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s", i.Cause.What, i.who(), plural(i.Users, "user"))
	if i.Overcharge.Float64() != 0 {
		kind := "overcharged"
		if i.Overcharge.Float64() < 0 {
			kind = "undercharged"
		}
		fmt.Fprintf(&b, " %s %s credits", kind, thousands(math.Abs(i.Overcharge.Float64())))
	}
	fmt.Fprintf(&b, " since %s (%.0f%% sure). Next: %s.", utc(i.StartedAt).Format("2006-01-02T15:04:05Z"), min(100*i.Verdict.Confidence, 99), i.Cause.Next)
	return b.String()
}

// who names the scope as people say it.
func (i *Incident) who() string {
	switch i.Scope.Kind {
	case "user":
		return "user " + strconv.Quote(i.Scope.User)
	case "users":
		return plural(len(i.Scope.Users), "account") + " linked by " + i.Scope.LinkedBy
	}
	w := i.Scope.Conds()
	if len(w) == 0 {
		return "everybody"
	}
	parts := make([]string, len(w))
	for k, c := range w {
		parts[k] = c.Value
		if !plain(c.Value) {
			parts[k] = strconv.QuoteToASCII(c.Value)
		}
		if c.Dim.String() != "plan" && c.Dim.String() != "region" {
			parts[k] = strings.ReplaceAll(c.Dim.String(), "_", " ") + " " + parts[k]
		}
	}
	return strings.Join(parts, " in ")
}

// plain says whether a value chosen by others can be shown as it is.
func plain(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:/+", r)) {
			return false
		}
	}
	return s != ""
}

func times(x float64) string {
	switch {
	case x >= 9.95:
		return fmt.Sprintf("%.0fx", x)
	case x >= 1.95 && math.Abs(x-math.Round(x)) < 0.05:
		return fmt.Sprintf("%.0fx", x)
	default:
		return fmt.Sprintf("%.2gx", x)
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(float64(n)) + " " + noun + "s"
}

func thousands(x float64) string {
	if x < 10 && x != math.Trunc(x) {
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return grouped(strconv.FormatFloat(x, 'f', 0, 64))
}

// grouped puts commas between thousands.
func grouped(digits string) string {
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
