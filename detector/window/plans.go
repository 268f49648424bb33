package window

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/event"
)

// How budgets are learned.
const (
	maxPlans  = 255  // plans that are told apart; the readings of others are not judged
	width     = 0.02 // of a bin, in log credits
	needed    = 20   // windows of users that a budget stands on
	agreeing  = 0.6  // of them, within a quarter of their median: else the gauge counts something other than credits
	halfLife  = 84   // hours
	teachFrom = 0.02 // of a window, from which a gauge says how large its window is
)

// plans holds the budgets of plans by a small number; 0 is no plan that is told apart.
type plans struct {
	index  map[string]uint8
	names  []string
	known  []float64 // credits; 0 is unknown
	bins   []map[int32]float64
	given  []bool
	fixed  bool // learns no more
	lastAt uint32
}

func newPlans(budgets map[string]event.Credits) plans {
	p := plans{index: map[string]uint8{}, names: []string{""}, known: []float64{0}, bins: []map[int32]float64{nil}, given: []bool{true}}
	for _, name := range slices.Sorted(maps.Keys(budgets)) {
		if b := budgets[name]; b > 0 {
			if k := p.of(name); k != 0 {
				p.known[k], p.given[k] = b.Float64(), true
			}
		}
	}
	return p
}

// frozen returns a copy that learns no more.
func (p *plans) frozen() plans {
	return plans{index: maps.Clone(p.index), names: slices.Clone(p.names), known: slices.Clone(p.known), bins: make([]map[int32]float64, len(p.known)), given: slices.Clone(p.given), fixed: true}
}

// few plans are told apart faster one by one than by a table.
const few = 8

// of returns the number of a plan.
func (p *plans) of(name string) uint8 {
	if len(p.names) <= few {
		for k := 1; k < len(p.names); k++ {
			if p.names[k] == name {
				return uint8(k)
			}
		}
	}
	k, ok := p.index[name]
	if !ok && len(p.known) < maxPlans && !p.fixed {
		k = uint8(len(p.known))
		name = strings.Clone(name)
		p.index[name] = k
		p.names = append(p.names, name)
		p.known, p.bins, p.given = append(p.known, 0), append(p.bins, nil), append(p.given, false)
	}
	return k
}

func (p *plans) budget(k uint8) float64 { return p.known[k] }

// teach takes a reading as a sample of its plan's budget, once a user and window.
func (t *Tracker) teach(u *user, shown, exact float64) {
	p := &t.plans
	if p.fixed || p.given[u.plan] || u.bits&taught != 0 || shown < max(teachFrom, 10*exact) || u.gauge >= full || u.readHi <= 0 || u.readHi-u.readLo > 0.1*u.readHi {
		return
	}
	u.bits |= taught
	if p.bins[u.plan] == nil {
		p.bins[u.plan] = map[int32]float64{}
	}
	p.bins[u.plan][int32(math.Round(math.Log(float64(u.readHi)/shown)/width))]++
}

// learn settles the budgets anew. Cost: a sort of the bins of every plan, a few hundred at most where credits move gauges.
func (p *plans) learn(at uint32) {
	if p.fixed || at <= p.lastAt {
		return
	}
	fade := math.Exp2(-float64(at-p.lastAt) / 3600 / halfLife)
	if p.lastAt == 0 {
		fade = 1
	}
	p.lastAt = at
	for k, bins := range p.bins {
		if p.given[k] || len(bins) == 0 {
			continue
		}
		if b := typical(bins); b > 0 {
			p.known[k] = b // what was known stands until others agree on something else
		}
		for _, x := range slices.Sorted(maps.Keys(bins)) {
			if bins[x] *= fade; bins[x] < 1e-3 {
				delete(bins, x)
			}
		}
	}
}

// typical returns the median of the samples in credits, 0 where they are too few or do not agree.
func typical(bins map[int32]float64) float64 {
	keys := slices.Sorted(maps.Keys(bins))
	total := 0.0
	for _, x := range keys {
		total += bins[x]
	}
	if total < needed {
		return 0
	}
	sum, median := 0.0, keys[0]
	for _, x := range keys {
		if sum += bins[x]; sum >= total/2 {
			median = x
			break
		}
	}
	within := 0.0
	for _, x := range keys {
		if math.Abs(float64(x-median))*width <= relative {
			within += bins[x]
		}
	}
	if within < agreeing*total {
		return 0
	}
	return math.Exp(float64(median) * width)
}
