package profile

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The statistics whose frontier is drawn: each against thresholds of its own. The first two stand against levels, asSet
// passes or does not.
const (
	statVolume = iota
	statIdentity
	statAsSet
	numStats
)

var statNames = [numStats]string{"volume", "identity", "all rules as set"}

// levels of thresholds: each a twentieth above the one before.
const numLevels = 96

func level(k int) float64 { return 4 * math.Pow(1.05, float64(k)) }

// levelOf returns how many levels a value reaches.
func levelOf(x float64) int {
	if x < 4 {
		return 0
	}
	return min(numLevels, 1+int(math.Log(x/4)/math.Log(1.05)+1e-9))
}

// passages are first passages of a drain: at which stretch a level was reached, in fours; the last is never.
const passageBins = 35

type passages [numLevels][passageBins]int

// chunk is the result of some accounts; chunks add up.
type chunk struct {
	Bench      string                // fingerprint of what made it
	Population string                `json:"population"`
	Number     int                   `json:"number"`
	Weeks      int                   `json:"weeks"`
	Highest    [2][numLevels + 1]int // account-weeks by the highest level that a statistic reached
	AsSet      int                   // account-weeks in which somebody was accused as thresholds are set
	Rules      map[string]int        // the same by rule
	Twins      map[string]int        // and by what innocently went on
	Drains     int                   // accounts drained, each by every jump
	Found      [][numStats]passages
}

func (c *chunk) add(d *chunk) {
	c.Weeks += d.Weeks
	c.AsSet += d.AsSet
	c.Drains += d.Drains
	for s := range c.Highest {
		for k, n := range d.Highest[s] {
			c.Highest[s][k] += n
		}
	}
	for _, p := range []struct{ to, from map[string]int }{{c.Rules, d.Rules}, {c.Twins, d.Twins}} {
		for k, n := range p.from {
			p.to[k] += n
		}
	}
	for j := range c.Found {
		for s := range c.Found[j] {
			for k := range c.Found[j][s] {
				for b, n := range d.Found[j][s][k] {
					c.Found[j][s][k][b] += n
				}
			}
		}
	}
}

func newChunk() *chunk {
	return &chunk{Rules: map[string]int{}, Twins: map[string]int{}, Found: make([][numStats]passages, len(jumps))}
}

// threshold returns the lowest level that innocent account-weeks pass no more often than perMillion in a million, unless there
// are too few to say.
func (c *chunk) threshold(stat int, perMillion float64) (int, bool) {
	if perMillion*float64(c.Weeks) < 1e6 {
		return 0, false
	}
	over := 0
	k := numLevels
	for ; k > 0; k-- {
		if over += c.Highest[stat][k]; float64(over) > perMillion*float64(c.Weeks)/1e6 {
			break
		}
	}
	return k, k < numLevels
}

// quality returns the share of drains that pass a level within the day, and the median of active stretches until then over
// all of them; +Inf where less than half are found.
func (p *passages) quality(k int) (recall, median float64) {
	total, found := 0, 0
	for b, n := range p[k] {
		total += n
		if b < passageBins-1 {
			found += n
		}
	}
	sum := 0
	median = math.Inf(1)
	for b, n := range p[k][:passageBins-1] {
		if half := float64(total) / 2; float64(sum+n) >= half && n > 0 {
			median = 4*float64(b) + 4*(half-float64(sum))/float64(n) // within the bin as if even
			break
		}
		sum += n
	}
	return float64(found) / float64(max(total, 1)), median
}

// report writes the frontier of one population.
func (c *chunk) report() string {
	var w strings.Builder
	perMillion := func(n int) float64 { return float64(n) / float64(c.Weeks) * 1e6 }
	fmt.Fprintf(&w, "%s: %.2f million account-weeks, %d accounts drained\n", c.Population, float64(c.Weeks)/1e6, c.Drains)
	fmt.Fprintf(&w, "  as set: %.0f account-weeks in a million in which somebody is accused; of rules passed", perMillion(c.AsSet))
	for _, m := range []map[string]int{c.Rules, c.Twins} {
		for _, k := range sortedByCount(m) {
			fmt.Fprintf(&w, " %s %.0f", k, perMillion(m[k]))
		}
		w.WriteString(";")
	}
	w.WriteString("\n  recall within 24 h and median active stretches to it (inf: fewer than half)\n")
	fmt.Fprintf(&w, "  %-20s %-9s", "drain", "statistic")
	budgets := []float64{50, 10, 1}
	for _, m := range budgets {
		fmt.Fprintf(&w, "  %16s", fmt.Sprintf("at %.0f false", m))
	}
	fmt.Fprintf(&w, "  %10s\n", "as set")
	for j := range jumps {
		for s := range 2 {
			if s == statIdentity && !jumps[j].Stranger {
				continue
			}
			fmt.Fprintf(&w, "  %-20s %-9s", jumps[j].name, statNames[s])
			for _, m := range budgets {
				k, ok := c.threshold(s, m)
				if !ok {
					fmt.Fprintf(&w, "  %16s", "-")
					continue
				}
				r, median := c.Found[j][s].quality(k)
				fmt.Fprintf(&w, "  %16s", fmt.Sprintf("%.2f %3.0f (>%.0f)", r, median, level(k)))
			}
			r, median := c.Found[j][statAsSet].quality(0)
			fmt.Fprintf(&w, "  %10s\n", fmt.Sprintf("%.2f %3.0f", r, median))
		}
	}
	return w.String()
}

func sortedByCount(m map[string]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	return keys
}
