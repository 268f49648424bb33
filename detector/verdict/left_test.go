package verdict

import (
	"slices"
	"strings"
	"testing"
)

// A loss of requests takes turns and hours with it. What moved no further than that is its own doing; what moved further, or the other
// way, is not.
func TestLossExplainsWhatItTakes(t *testing.T) {
	const own = "inc_1"
	left := Left{Requests: 0.4, Turns: 0.72, Users: 0.9}
	for _, c := range []struct {
		why    string
		left   Left
		factor Factor
		of     string
	}{
		{"as far as such a loss takes it", left, Factor{Name: "turns", Value: 0.8}, own},
		{"less far", left, Factor{Name: "turns", Value: 0.9}, own},
		{"farther, but no more than turns differ by from day to day", left, Factor{Name: "turns", Value: 0.7, Spread: 0.1}, own},
		{"farther than that", left, Factor{Name: "turns", Value: 0.6, Spread: 0.1}, ""},
		{"more rather than fewer", left, Factor{Name: "turns", Value: 1.2}, ""},
		{"no more than usual anyway", left, Factor{Name: "turns", Value: 0.9, Spread: 0.1}, ""},
		{"users", left, Factor{Name: "users", Value: 0.92}, own},
		{"users who stay away", left, Factor{Name: "users", Value: 0.7}, ""},
		{"another incident has said so before", left, Factor{Name: "turns", Value: 0.9, Of: "inc_2"}, "inc_2"},
		{"requests, which the verdict is about", left, Factor{Name: "requests", Value: 0.9}, ""},
		{"what a loss does not take", left, Factor{Name: "tokens", Value: 0.9}, ""},
		{"nothing is known of a loss", Left{}, Factor{Name: "turns", Value: 0.9}, ""},
	} {
		factors := []Factor{c.factor, {Name: "turns", Value: 1}}
		said := c.left.explain(own, factors)
		if factors[0].Of != c.of || factors[0].Told || (len(said) > 0) != (c.of == own) {
			t.Errorf("%s: explained by %q, want %q; %v", c.why, factors[0].Of, c.of, said)
		}
	}
}

// Rows by themselves say how many requests are lost. That these are fewer is no chance then, though they often are; but they have to be.
func TestLossTellsOfItsRequests(t *testing.T) {
	left := Left{Requests: 0.4, Turns: 0.8, Users: 0.9}
	for _, c := range []struct {
		why    string
		factor Factor
		told   bool
	}{
		{"where the loss leaves them", Factor{Value: 0.5, Spread: 0.4}, true},
		{"somewhat higher, as some days are", Factor{Value: 0.9, Spread: 0.4}, true},
		{"so much higher that no day was", Factor{Value: 0.9, Spread: 0.2}, false},
		{"so much lower", Factor{Value: 0.3, Spread: 0.1}, false},
		{"more than before", Factor{Value: 1.1, Spread: 0.6}, false},
		{"fewer than usual by themselves", Factor{Value: 0.5, Spread: 0.1}, false},
	} {
		c.factor.Name = "requests"
		factors := []Factor{{Name: "users", Value: 1.8, Spread: 0.5}, {Name: "turns", Value: 0.98}, c.factor}
		said := left.explain("inc_1", factors)
		if factors[2].Told != c.told || factors[2].Of != "" {
			t.Errorf("%s: %+v; %v", c.why, factors[2], said)
		}
		if factors[2].Compare(&factors[0]) < 0 != (c.told || factors[2].Beyond() > 0) {
			t.Errorf("%s: who comes and goes is named first, or is not", c.why)
		}
	}
}

func TestJudgeNamesWhatALossIsAbout(t *testing.T) {
	f := &Figures{
		Cause: LostRows, Incident: "inc_1", Left: Left{Requests: 0.38, Turns: 0.71, Users: 0.88},
		Now: Period{Users: 90, Turns: 184, Requests: 380, Rows: 380, Input: 38000, Credits: 38}, Base: Period{Users: 100, Turns: 250, Requests: 1000, Rows: 1000, Input: 1e5, Credits: 100},
	}
	v := Judge(f)
	for _, want := range []string{
		"requests x0.516 of x0.38", // and not users or turns, whatever comes first
		"losing 62.0% of requests, each by itself, leaves 71.0% of turns and 88.0% of the hours in which users are active, x0.54 requests a turn: users, turns by no more",
	} {
		if !slices.ContainsFunc(v.Evidence, func(e Evidence) bool { return strings.HasPrefix(e.Text, want) }) {
			t.Errorf("want %q in %v", want, v.Evidence)
		}
	}
}
