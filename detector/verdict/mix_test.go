package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// tariff is what tokens of one model cost, in credits a million; a cached one costs a tenth of the input.
type tariff struct{ in, out float64 }

var tariffs = map[string]tariff{"mini": {1, 8}, "flagship": {10, 80}, "opus": {50, 400}}

// drew is what a plan's users drew of a model: tokens, and how many of them are output and how much of the input is cached.
type drew struct {
	plan, model            string
	tokens, output, cached float64
}

// world returns the period and the blend of what was drawn, in three hours that differ.
func world(list []drew, prices map[string]tariff) (Period, Blend) {
	var p Period
	b := Blend{}
	for _, d := range list {
		x := prices[d.model]
		for h := range 3 {
			out := d.tokens * d.output / 3 * (0.5 + 0.5*float64(h)) // the mean is d.output
			in := d.tokens/3 - out
			c := &cohort.Cell{Rows: 10, Requests: 10, Turns: 5, Users: 3, Input: int64(in), Cached: int64(in * d.cached), Output: int64(out)}
			full := x.in*float64(c.Input) + x.out*float64(c.Output)
			c.Full.Add(event.Credits(full * 1000))
			c.List.Add(event.Credits((full - 0.9*x.in*float64(c.Cached)) * 1000))
			c.Credits, c.Usage, c.Priced = c.List, c.List, c.List
			p.Add(c, 1)
			b.Add(Sort{d.plan, d.model}, c, 1)
		}
	}
	return p, b
}

func mixOf(t interface{ Fatal(...any) }, now, base Period) (mix float64, missing []string) {
	_, factors, missing, ok := Split(now, base)
	i := slices.IndexFunc(factors, func(f Factor) bool { return f.Name == "mix" })
	if !ok || i < 0 {
		t.Fatal("no mix")
	}
	return factors[i].Value, missing
}

const many = 3e9 // tokens

// One thing changes, and one part of mix says so.
func TestMixPartsNameWhatMoved(t *testing.T) {
	dearer := map[string]tariff{"mini": {2, 16}, "flagship": {20, 160}}
	before := []drew{{"free", "mini", 6 * many, 0.1, 0.5}, {"pro", "mini", 2 * many, 0.1, 0.5}, {"pro", "flagship", 2 * many, 0.1, 0.5}}
	for _, c := range []struct {
		why    string
		now    []drew
		prices map[string]tariff
		moved  map[string]float64 // all others are 1
		text   map[string]string
	}{
		{
			"pro leaves the cheap model",
			[]drew{before[0], {"pro", "flagship", 4 * many, 0.1, 0.5}},
			tariffs,
			map[string]float64{"model": (6 + 40.0) / (6 + 2 + 20)},
			map[string]string{"model": "flagship's share of tokens 20.0% -> 40.0%"},
		},
		{
			"a dear model comes",
			[]drew{before[0], before[1], {"pro", "flagship", many, 0.1, 0.5}, {"pro", "opus", many, 0.1, 0.5}},
			tariffs,
			map[string]float64{"model": (6 + 2 + 10 + 50) / 28.0},
			map[string]string{"model": "opus's share of tokens 0% -> 10.0%"},
		},
		{
			"free users go away",
			[]drew{{"free", "mini", 1 * many, 0.1, 0.5}, before[1], before[2]},
			tariffs,
			map[string]float64{"plan": (1 + 22) / 5.0 / (28 / 10.0)},
			map[string]string{"plan": "pro's share of tokens 40.0% -> 80.0%"},
		},
		{
			"a plan comes",
			[]drew{{"free", "mini", 6 * many, 0.1, 0.5}, {"pro", "mini", 2 * many, 0.1, 0.5}, {"pro", "flagship", 2 * many, 0.1, 0.5}, {"team", "flagship", 10 * many, 0.1, 0.5}},
			tariffs,
			map[string]float64{"plan": (28 + 100) / 20.0 / (28 / 10.0)},
			map[string]string{"plan": "team's share of tokens 0% -> 50.0%"},
		},
		{
			"answers are longer throughout",
			[]drew{{"free", "mini", 6 * many, 0.3, 0.5}, {"pro", "mini", 2 * many, 0.3, 0.5}, {"pro", "flagship", 2 * many, 0.3, 0.5}},
			tariffs,
			map[string]float64{"input_output": (0.7*(1-0.45) + 0.3*8) / (0.9*(1-0.45) + 0.1*8)},
			map[string]string{"input_output": "output's share of a model's tokens 10.0% -> 30.0%"},
		},
		{
			"the list changes", before, dearer,
			map[string]float64{"rest": 2},
			map[string]string{"rest": "writes to the cache, list prices, rows without one"},
		},
	} {
		base, was := world(before, tariffs)
		now, is := world(c.now, c.prices)
		mix, missing := mixOf(t, now, base)
		parts := MixParts(mix, now, base, [2]Blend{was, is}, missing)
		if len(parts) != 4 {
			t.Fatalf("%s: %v", c.why, parts)
		}
		for _, p := range parts {
			want, moved := c.moved[p.Name]
			if !moved {
				want = 1
			}
			if !near(p.Value, want, 1e-6) || moved && p.Text != c.text[p.Name] {
				t.Errorf("%s: %s x%v (%s) of mix x%v, want x%v (%s)", c.why, p.Name, p.Value, p.Text, mix, want, c.text[p.Name])
			}
		}
	}
}

// Whatever is drawn, by whom, and whatever is unknown: the parts multiply to mix.
func TestMixPartsAreMix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 1))
		draw := func(when string) (list []drew) {
			list = append(list, drew{"free", "mini", many, 0.2, 0.5})
			for i := range rapid.IntRange(0, 5).Draw(t, when) {
				list = append(list, drew{
					rapid.SampledFrom([]string{"", "free", "pro"}).Draw(t, "plan"), rapid.SampledFrom([]string{"mini", "flagship", "gratis"}).Draw(t, "model"),
					rapid.SampledFrom([]float64{0, 1e3, many * float64(i)}).Draw(t, "tokens"), share.Draw(t, "output") / 2, share.Draw(t, "cached"),
				})
			}
			return list
		}
		base, was := world(draw("before"), tariffs)
		now, is := world(draw("now"), map[string]tariff{"mini": tariffs["mini"], "flagship": {rapid.Float64Range(0, 30).Draw(t, "price"), 80}})
		base.Priced *= rapid.Float64Range(0.5, 1).Draw(t, "with a price")
		if rapid.Bool().Draw(t, "nobody counted") {
			base.Users = 0
		}
		if rapid.IntRange(0, 5).Draw(t, "no list") == 0 {
			now.List, now.Full = 0, 0
		}
		mix, missing := mixOf(t, now, base)
		parts := MixParts(mix, now, base, [2]Blend{was, is}, missing)
		product := 1.0
		for _, p := range parts {
			product *= p.Value
		}
		if len(parts) == 0 || !near(product, mix, 1e-9) {
			t.Fatalf("%v multiply to %v, mix is %v", parts, product, mix)
		}
		if left := slices.IndexFunc(parts, func(p Part) bool { return p.Name == "left_out" }); (left >= 0) != (len(missing) > 0) {
			t.Fatalf("%v, and %v are left out", parts, missing)
		}
	})
}

// What is left out is told apart from what mix is besides, where that is known.
func TestMixPartsOfWhatIsLeftOut(t *testing.T) {
	base, was := world([]drew{{"pro", "mini", many, 0.1, 0.5}}, tariffs)
	now, is := world([]drew{{"pro", "flagship", 3 * many, 0.1, 0.5}}, tariffs)
	base.Users, base.Turns, base.Requests = 0, 0, 0
	mix, missing := mixOf(t, now, base)
	got := map[string]float64{}
	for _, p := range MixParts(mix, now, base, [2]Blend{was, is}, missing) {
		got[p.Name] = p.Value
	}
	if !near(got["model"], 10, 1e-6) || !near(got["left_out"], mix/10, 1e-6) {
		t.Errorf("%v of mix x%v, left out %v", got, mix, missing)
	}
	if parts := MixParts(2, now, base, [2]Blend{}, nil); parts != nil {
		t.Errorf("of no blends %v", parts)
	}
	if parts := MixParts(2, base, now, [2]Blend{was, is}, nil); parts != nil {
		t.Errorf("of others' blends %v", parts)
	}
}

// An alert says what moved mix where that is news, and nothing where it is not.
func TestMixIsToldWhereItMoved(t *testing.T) {
	before := []drew{{"free", "mini", 6 * many, 0.1, 0.5}, {"pro", "mini", 2 * many, 0.1, 0.5}, {"pro", "flagship", 2 * many, 0.1, 0.5}}
	base, was := world(before, tariffs)
	for _, c := range []struct {
		why  string
		now  []drew
		like float64 // by how much the dear model's tokens differ of themselves
		want []string
	}{
		{"the dear model takes all of pro", []drew{before[0], {"pro", "flagship", 4 * many, 0.1, 0.5}}, 0.01, []string{"mix_model flagship's share of tokens 20.0% -> 40.0%: x1.64 of mix x1.64"}},
		{"the same, which is usual", []drew{before[0], {"pro", "flagship", 4 * many, 0.1, 0.5}}, 1, nil},
		{"hardly anything", []drew{before[0], before[1], {"pro", "flagship", 2.1 * many, 0.1, 0.5}}, 0.01, nil},
	} {
		f := &Figures{Cause: Price, Where: scope, Base: base, Gain: 60, HasCard: true}
		now, is := world(c.now, tariffs)
		asked := 0
		f.Now, f.Blends = now, func() [2]Blend { asked++; return [2]Blend{was, is} }
		for i := range 4 {
			like, _ := world([]drew{before[0], before[1], {"pro", "flagship", 2 * many * math.Exp(c.like*float64(i)), 0.1, 0.5}}, tariffs)
			f.Like = append(f.Like, like)
		}
		var got []string
		for _, e := range Judge(f).Evidence {
			if strings.HasPrefix(e.Code, "mix_") {
				got = append(got, fmt.Sprint(e.Code, " ", e.Text))
			}
		}
		if !slices.Equal(got, c.want) || asked != len(c.want) {
			t.Errorf("%s: %q, asked %d times, want %q", c.why, got, asked, c.want)
		}
	}
}
