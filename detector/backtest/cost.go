package backtest

import (
	"slices"
	"sync"

	"github.com/drainwatch/drainwatch/detector"
)

// Passes notes when rules on single users pass either of two thresholds. It takes what detector.Options.Observe is told.
type Passes struct {
	Now, Then detector.Thresholds
	From      int64 // before which nothing is noted

	mu sync.Mutex
	at map[string]*[2][detector.NumRules][]int64 // by user: event times
}

// Observe takes a score.
func (p *Passes) Observe(s detector.Score) {
	if s.Incident != "" || s.Rule.Info().Fleet || s.At < p.From || s.Value < min(p.Now[s.Rule], p.Then[s.Rule]) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = map[string]*[2][detector.NumRules][]int64{}
	}
	u := p.at[s.User]
	if u == nil {
		u = new([2][detector.NumRules][]int64)
		p.at[s.User] = u
	}
	for i, t := range []*detector.Thresholds{&p.Now, &p.Then} {
		if s.Value >= t[s.Rule] {
			u[i][s.Rule] = append(u[i][s.Rule], s.At)
		}
	}
}

// Cost is what a threshold finds of one kind of drain within a day.
type Cost struct {
	Recall Share `json:"recall"`
	// MedianHours from the first drained row to the finding, over all drains; nil where fewer than half are found.
	MedianHours *float64 `json:"median_hours"`
}

// Cost returns what the given rules, any of them, find of the drains of a kind at the first (0) or the second (1) thresholds.
func (p *Passes) Cost(begun map[string]Begun, kind, which int, rules ...detector.Rule) Cost {
	var delays []float64
	n := 0
	for user, b := range begun {
		if b.Kind != kind {
			continue
		}
		n++
		first := int64(-1)
		if u := p.at[user]; u != nil {
			for _, r := range rules {
				for _, at := range u[which][r] {
					if at > b.At && at <= b.At+drainFor && (first < 0 || at < first) {
						first = at
					}
				}
			}
		}
		if first >= 0 {
			delays = append(delays, float64(first-b.At)/float64(hour))
		}
	}
	slices.Sort(delays)
	c := Cost{Recall: newShare(len(delays), n)}
	if 2*len(delays) >= n && n > 0 {
		c.MedianHours = &delays[(n+1)/2-1]
	}
	return c
}
