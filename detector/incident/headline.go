package incident

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// classWords are how people name the classes.
var classWords = map[string]string{
	"metering_bug": "METERING BUG", "client_bug": "CLIENT BUG", "abuse": "ABUSE", "organic": "ORGANIC",
	"under_metering": "UNDER-METERING", "unknown": "UNKNOWN",
}

// causeOf finds what is said of a cause; one that this version does not know is said as it stands.
func causeOf(class, name string) verdict.Cause {
	for _, c := range verdict.Causes {
		if string(c.Class) == class && c.Name == name {
			return c
		}
	}
	return verdict.Cause{What: strings.ReplaceAll(name, "_", " ")}
}

// FactorOf returns the factor that a cause moves, "" of a cause that is not known and of one that moves no charge.
func FactorOf(class, cause string) string {
	if c := causeOf(class, cause); c != verdict.Window {
		return c.Factor
	}
	return ""
}

// Causes returns the names of the causes that are told apart, by class.
func Causes() map[string][]string {
	names := map[string][]string{}
	for _, c := range verdict.Causes {
		names[string(c.Class)] = append(names[string(c.Class)], c.Name)
	}
	return names
}

// Headline returns the first line of an alert: verdict, who, how many times, since when, how many, how much, why, how surely.
// It is safe to print.
func Headline(r *Record) string {
	label, ok := classWords[r.Class]
	if !ok {
		label = r.Class // of a newer program
	}
	what := r.Title
	if _, rest, ok := strings.Cut(r.Title, ": "); ok {
		what = rest // the title begins with the class, which stands in capitals here
	}
	facts := []string{plural(r.UsersAffected, "user")}
	if !r.Overcharge.IsZero() {
		facts = append(facts, amount(r.Overcharge)+" credits")
	}
	facts = append(facts, causeOf(r.Class, r.Cause).What)
	return Neutral(fmt.Sprintf("%s  %s: %s (%.0f%% sure)", label, what, strings.Join(facts, ", "), min(100*r.Confidence, 99))) // nothing is quite sure
}

// Advice returns what to do about an alert; "" where this version does not know its cause.
func Advice(r *Record) string { return causeOf(r.Class, r.Cause).Next }

// amount prints credits: whole ones from a hundred up, cents below.
func amount(s event.Sum) string {
	f := s.Float64()
	if math.Abs(f) < 100 {
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	whole, _, _ := strings.Cut(s.String(), ".")
	if digits, negative := strings.CutPrefix(whole, "-"); negative {
		return "-" + grouped(digits)
	}
	return grouped(whole)
}
