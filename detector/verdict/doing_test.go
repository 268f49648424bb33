package verdict

import (
	"slices"
	"strings"
	"testing"
)

// Work that nobody asked for is not like what people ask for, so it moves more than how much there is: here it is cached more. What moved no
// further than that is its doing.
func TestAddedWorkExplainsWhatItBrings(t *testing.T) {
	const own = "inc_1"
	asked := Period{Users: 100, Turns: 500, Requests: 4000, Rows: 4000, Input: 4e6, Cached: 2e6, Output: 4e5, Credits: 620, Usage: 620, Priced: 620, List: 620, Full: 800}
	idle := Period{Requests: 500, Background: 500, Rows: 500, Input: 5e5, Cached: 4e5, Output: 1e4, Credits: 28, Usage: 28, Priced: 28, List: 28, Full: 64}
	twice := idle.Scale(2) // requests x1.11, cache x0.983 by itself
	for _, c := range []struct {
		why       string
		base      Period
		unasked   Period
		factor    Factor
		explained bool
	}{
		{"as far as it takes it", asked.Plus(idle), twice, Factor{Name: "cache", Value: 0.984}, true},
		{"farther, as days differ", asked.Plus(idle), twice, Factor{Name: "cache", Value: 0.96, Spread: 0.015}, true},
		{"farther than that", asked.Plus(idle), twice, Factor{Name: "cache", Value: 0.94, Spread: 0.015}, false},
		{"the other way", asked.Plus(idle), twice, Factor{Name: "cache", Value: 1.02}, false},
		{"no more than usual anyway", asked.Plus(idle), twice, Factor{Name: "cache", Value: 0.98, Spread: 0.015}, false},
		{"what it does not move", asked.Plus(idle), twice, Factor{Name: "users", Value: 0.9}, false},
		{"nothing is known of it", asked.Plus(idle), Period{}, Factor{Name: "cache", Value: 0.984}, false},
		{"no more of it than before", asked.Plus(twice), twice, Factor{Name: "cache", Value: 0.984}, false},
		{"none of it before", asked, twice, Factor{Name: "cache", Value: 0.97}, true},
		{"requests stand where it leaves them, though they often do", asked.Plus(idle), twice, Factor{Name: "requests", Value: 1.06, Spread: 0.05}, true},
		{"they rose so much less that it is not to be seen", asked.Plus(idle), twice, Factor{Name: "requests", Value: 1.02, Spread: 0.02}, false},
		{"requests, which the verdict is about, rose by more than usual", asked.Plus(idle), twice, Factor{Name: "requests", Value: 1.11}, false},
	} {
		f := &Figures{Cause: BackgroundWork, Incident: own, Now: asked.Plus(twice), Base: c.base, Unasked: c.unasked}
		factors := []Factor{c.factor}
		said := added(f, factors)
		if x := factors[0]; (x.Of == own || x.Told) != c.explained || x.Told && x.Name != "requests" || (len(said) > 0) != c.explained {
			t.Errorf("%s: %+v; %v", c.why, x, said)
		}
	}
	f := &Figures{Cause: BackgroundWork, Incident: own, Now: asked.Plus(twice), Base: asked.Plus(idle), Unasked: twice}
	if v := Judge(f); !slices.ContainsFunc(v.Evidence, func(e Evidence) bool {
		return strings.HasPrefix(e.Text, "what nobody asked for beyond as much as before makes by itself requests x1.11, ") && strings.Contains(e.Text, ", cache x0.983, ")
	}) {
		t.Errorf("%v", v.Evidence)
	}
}

// A loop hits some of the rows of a meter's fault, and its requests are cached more. What moved no further in all of them is the loop's.
func TestWhatAClientsFaultMovesIsNoMeters(t *testing.T) {
	loop := Beside{"inc_2", []Factor{
		{Name: "requests", Value: 3}, {Name: "cache", Value: 0.8, Spread: 0.03}, {Name: "tokens", Value: 0.9, Spread: 0.1}, {Name: "price", Value: 1.5}, {Name: "mix", Value: 1.4, Of: "inc_1"},
	}}
	for _, c := range []struct {
		why       string
		factor    Factor
		explained bool
	}{
		{"less than in its own rows", Factor{Name: "cache", Value: 0.87, Spread: 0.04}, true},
		{"more", Factor{Name: "cache", Value: 0.7, Spread: 0.04}, false},
		{"the other way", Factor{Name: "cache", Value: 1.2, Spread: 0.04}, false},
		{"no more than usual anyway", Factor{Name: "cache", Value: 0.95, Spread: 0.04}, false},
		{"what was usual in its rows", Factor{Name: "tokens", Value: 0.95}, false},
		{"what others moved in its rows", Factor{Name: "mix", Value: 1.3}, false},
		{"what no client moves", Factor{Name: "price", Value: 1.3}, false},
		{"what the meter's fault moves", Factor{Name: "requests", Value: 2}, false},
		{"what another one explains", Factor{Name: "cache", Value: 0.87, Of: "inc_3"}, false},
	} {
		factors := []Factor{c.factor}
		loop.explain("requests", factors)
		if x := factors[0]; (x.Of == loop.Incident) != c.explained || x.Told {
			t.Errorf("%s: %+v", c.why, x)
		}
	}
}
