package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/stats/decompose"
)

// Part is one quotient of the mix effect.
type Part struct {
	Name  string // plan, model, input_output, rest or left_out
	Value float64
	Text  string // what moved
}

// MixParts splits the mix effect of now against base on into parts whose product it is:
//
//	plan          whose tokens they are
//	model         which models each plan uses
//	input_output  what share of each plan's and model's tokens is output
//	rest          what else list price a token goes by: writes to the cache, a list that changed, rows without a price
//	left_out      the factors that have no baseline, missing, whose effect stands under mix
//
// List price a token of the scope is Σ over plans of a plan's share of the tokens times its price a token, and that is Σ over its models of a
// model's share of them times the model's. Each sum is split by decompose.Index, the plans' first, so that who draws makes no difference
// where all plans pay alike. The prices are those at the baseline's cached share of input, as the cache effect has it. What
// input and output cost tell the cells of the baseline, where they hold more or less output. Without blends, or where they are not those
// of now and base, there are no parts.
func MixParts(mix float64, now, base Period, blends [2]Blend, missing []string) []Part {
	proper := mix
	if len(missing) > 0 {
		proper = now.perToken() / base.perToken() / cacheEffect(now, base)
		if !(proper > 0) || math.IsInf(proper, 0) {
			return []Part{leftOut(mix, missing)}
		}
	}
	out := split(proper, now, base, blends)
	if len(missing) > 0 && len(out) > 0 {
		out = append(out, leftOut(mix/proper, missing))
	}
	return out
}

func leftOut(x float64, missing []string) Part {
	return Part{"left_out", x, strings.Join(missing, ", ") + " without a baseline"}
}

// perToken returns the list price of a token, that of rows without one taken to be what was charged for them.
func (p *Period) perToken() float64 {
	return p.Usage / p.Priced * p.List / (p.Input + p.Output)
}

// A blend is another period's where list price a token differs by more than so much, as a logarithm.
const blendOff = 0.05

// good is a portion before and now, as it counts.
type good struct {
	sort   Sort
	share  [2]float64 // of all tokens
	price  [2]float64 // of a token, at the baseline's cached share
	output [2]float64 // share of the tokens
	inOut  float64    // what the share of output makes of the price; 1 if unknown
}

// split returns plan, model, input_output and rest.
func split(mix float64, now, base Period, blends [2]Blend) []Part {
	all := [2]Drawn{blends[0].sums(), blends[1].sums()}
	for i, p := range []Period{base, now} {
		if off := p.List / (p.Input + p.Output) / (all[i].List / all[i].tokens()); !(math.Abs(math.Log(off)) <= blendOff) {
			return nil
		}
	}
	goods := goodsOf(blends, all)
	logs, plans, total := [2]float64{}, totals(goods, func(s Sort) string { return s.Plan }), [2]float64{}
	terms, plan := make([]decompose.Term, len(plans)), make([]float64, 2)
	for i := range plans {
		terms[i] = plans[i].term()
		total[0], total[1] = total[0]+terms[i].Before, total[1]+terms[i].Now
	}
	decompose.Index(plan, terms)
	for i := range plans {
		if plans[i].share[0] == 0 || plans[i].share[1] == 0 {
			continue
		}
		var models []decompose.Term
		for _, g := range goods {
			if g.sort.Plan == plans[i].name {
				models = append(models, g.term(plans[i].share))
			}
		}
		within, weight := make([]float64, 3), decompose.LogMean(terms[i].Before, terms[i].Now)/decompose.LogMean(total[0], total[1])
		if decompose.Index(within, models); within[0] > 0 && within[1] > 0 {
			logs[0] += weight * math.Log(within[0])
			logs[1] += weight * math.Log(within[1])
		}
	}
	model, inOut := math.Exp(logs[0]), math.Exp(logs[1])
	rest := mix / plan[0] / model / inOut
	if !(rest > 0) || math.IsInf(rest, 0) {
		return nil
	}
	before, after := outputs(goods)
	return []Part{
		{"plan", plan[0], mover(plans, plan[0], "plan")},
		{"model", model, mover(totals(goods, func(s Sort) string { return s.Model }), model, "model")},
		{"input_output", inOut, fmt.Sprintf("output's share of a model's tokens %s -> %s", percent(before), percent(after))},
		{"rest", rest, "writes to the cache, list prices, rows without one"},
	}
}

// goodsOf returns the portions of both blends, in order of their sorts.
func goodsOf(blends [2]Blend, all [2]Drawn) []good {
	union := Blend{}
	for _, b := range blends {
		for s := range b {
			union[s] = nil
		}
	}
	cached := 0.0 // share of the input
	if all[0].Input > 0 {
		cached = all[0].Cached / all[0].Input
	}
	var out []good
	for _, s := range union.sorts() {
		g := good{sort: s, inOut: 1}
		for i := range blends {
			if p := blends[i][s]; p != nil && p.tokens() > 0 {
				g.share[i], g.output[i] = p.tokens()/all[i].tokens(), p.Output/p.tokens()
				if g.price[i] = (p.Full - cached*p.Input*p.saving(all[i], all[0])) / p.tokens(); g.price[i] <= 0 {
					g.price[i] = p.List / p.tokens()
				}
			}
		}
		if g.share[0] > 0 && g.share[1] > 0 {
			p := blends[0][s]
			if in, out, ok := p.prices(); ok {
				in -= cached * p.saving(all[0], all[0])
				if x := (in + g.output[1]*(out-in)) / (in + g.output[0]*(out-in)); in > 0 && x > 0 && !math.IsInf(x, 0) {
					g.inOut = x
				}
			}
		}
		if g.share[0]+g.share[1] > 0 {
			out = append(out, g)
		}
	}
	return out
}

// saving returns what a cached token saves: of the portion, else of all, else of all before.
func (p *Portion) saving(all, before Drawn) float64 {
	for _, x := range []*Drawn{&p.Drawn, &all, &before} {
		if x.Cached > 0 {
			return (x.Full - x.List) / x.Cached
		}
	}
	return 0
}

// term returns what a model's share of its plan's tokens, its share of output and all else make of the price a token of the plan, which has
// plan of all tokens.
func (g *good) term(plan [2]float64) decompose.Term {
	before, now := g.share[0]/plan[0], g.share[1]/plan[1]
	t := decompose.Term{Before: before * g.price[0], Now: now * g.price[1], Ratios: []float64{now / before, 1, 1}}
	if g.share[0] > 0 && g.share[1] > 0 {
		t.Ratios[1], t.Ratios[2] = g.inOut, g.price[1]/g.price[0]/g.inOut
	}
	return t
}

// group is what goods of one name come to.
type group struct {
	name         string
	share, value [2]float64 // of all tokens, and share times price
}

// totals sums goods by name, in order of the first.
func totals(goods []good, name func(Sort) string) (out []group) {
	for _, g := range goods {
		i := slices.IndexFunc(out, func(x group) bool { return x.name == name(g.sort) })
		if i < 0 {
			i, out = len(out), append(out, group{name: name(g.sort)})
		}
		for k := range g.share {
			out[i].share[k] += g.share[k]
			out[i].value[k] += g.share[k] * g.price[k]
		}
	}
	return out
}

// term returns what a group's share and its price make of the price a token.
func (x *group) term() decompose.Term {
	share, value := x.share[1]/x.share[0], x.value[1]/x.value[0]
	t := decompose.Term{Before: x.value[0], Now: x.value[1], Ratios: []float64{share, 1}}
	if x.share[0] > 0 && x.share[1] > 0 {
		t.Ratios[1] = value / share
	}
	return t
}

// mover says which group's share did most of what all shares did: one that grew, unless one that shrank did twice as much.
func mover(groups []group, part float64, what string) string {
	mean := 0.0
	for _, g := range groups {
		mean += (g.value[0] + g.value[1]) / 2
	}
	did := func(g group) float64 {
		price := (g.value[0] + g.value[1]) / (g.share[0] + g.share[1])
		x := (g.share[1] - g.share[0]) * (price - mean) * math.Log(part)
		if g.share[1] < g.share[0] {
			x /= 2
		}
		return x
	}
	g := slices.MaxFunc(groups, func(a, b group) int { return cmp.Compare(did(a), did(b)) })
	name := g.name
	if name == "" {
		name = "no " + what
	}
	return fmt.Sprintf("%s's share of tokens %s -> %s", name, percent(g.share[0]), percent(g.share[1]))
}

// outputs returns the share of output before and now among goods that are there at both times, each as much as it is of all tokens.
func outputs(goods []good) (before, now float64) {
	weights := 0.0
	for _, g := range goods {
		if w := g.share[0] + g.share[1]; g.share[0] > 0 && g.share[1] > 0 {
			before, now, weights = before+w*g.output[0], now+w*g.output[1], weights+w
		}
	}
	if weights == 0 {
		return 0, 0
	}
	return before / weights, now / weights
}

// mixed is the log of the multiple from which mix is split on, and told the log of that from which a part is said: the product of those that
// are is mix within a percent.
const mixed, told = 0.095, 0.002

// blended says what moved mix, where that is news.
func blended(f *Figures, v Verdict, missing []string) (out []Evidence) {
	i := slices.IndexFunc(v.Factors, func(x Factor) bool { return x.Name == "mix" })
	if i < 0 || f.Blends == nil || v.Factors[i].rank() != unusual || math.Abs(math.Log(v.Factors[i].Value)) < mixed {
		return nil
	}
	mix := v.Factors[i].Value
	for _, p := range MixParts(mix, f.Now, f.Base, f.Blends(), missing) {
		if math.Abs(math.Log(p.Value)) > told {
			out = append(out, figure("mix_"+p.Name, fmt.Sprintf("%s: x%.3g of mix x%.3g", p.Text, p.Value, mix), p.Value, 1))
		}
	}
	return out
}
