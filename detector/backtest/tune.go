package backtest

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/stats/extreme"
)

// How a threshold was chosen.
const (
	Counted = "counted" // from how often the history passes it
	Tail    = "tail"    // from a tail fitted to the highest scores: the history is too short to count
	TooFew  = "too few" // scores to tell a tail; what was seen is passed over, and no more can be said
	Kept    = "kept"    // scores to tell anything: today's stays
)

// Estimate is a rate in a million users a week, with an interval of 95%.
type Estimate struct {
	PerMillion float64 `json:"per_million_users_a_week"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
}

// Tuned is what a history says of one rule.
type Tuned struct {
	Rule  detector.Rule `json:"-"`
	Name  string        `json:"rule"`
	Unit  string        `json:"unit"`
	Now   float64       `json:"threshold_now"`
	Cried Rate          `json:"cried_now"` // as counted
	Share float64       `json:"share_per_million_users_a_week"`
	Then  float64       `json:"threshold"` // that keeps the share
	Will  Estimate      `json:"will_cry"`  // at that
	Basis string        `json:"basis"`
	Peaks int           `json:"peaks"` // scores that the basis stands on
}

// Tune chooses for every rule the threshold whose false alarms keep its share of a budget, counted in a million users a week.
// extra are the incidents that nothing known explains; seed fixes the intervals of fitted tails.
//
// Rules on single users may come out below today's threshold, by half at most; those over cohorts may not, since a quiet history
// of one fleet says too little of what would page.
func (t *Tally) Tune(now detector.Thresholds, budget float64, s Span, extra []incident.Record, seed uint64) []Tuned {
	var out []Tuned
	for r := range detector.NumRules {
		info := r.Info()
		x := Tuned{Rule: r, Name: info.Name, Unit: info.Unit, Now: now[r], Share: r.Allowance(budget)}
		scores, blocks := t.scores(r, s)
		perMillion := 1e6 // of a block
		if info.Fleet && s.Users > 0 {
			perMillion = 1e6 * 7 * 24 / float64(s.Users)
		}
		cried := len(scores) - below(scores, now[r])
		if info.Fleet {
			cried = 0
			for i := range extra {
				if e := &extra[i]; e.Severity != incident.Info && t.Opened(e.Incident) == r && e.DetectedAt.UnixNano() >= t.Start+int64(s.Learning)*week {
					cried++
				}
			}
			if cried == 0 { // what a look passed that then found no scope did not cry: no threshold has to keep it quiet
				scores = scores[:below(scores, now[r])]
			}
		}
		x.Cried = NewRate(cried, s.UserWeeks)
		c := chooser{scores: scores, blocks: blocks, ratio: info.Ratio, rng: rand.New(rand.NewPCG(seed, uint64(r)))}
		least := max(info.Least, now[r]/2)
		if info.Fleet {
			least = now[r]
		}
		x.Then, x.Basis, x.Peaks = c.choose(now[r], least, x.Share/perMillion)
		x.Then = up(x.Then, r == detector.RuleRows || r == detector.RuleFarm)
		x.Will.PerMillion, x.Will.Low, x.Will.High = c.rate(x.Then)
		x.Will.PerMillion, x.Will.Low, x.Will.High = x.Will.PerMillion*perMillion, x.Will.Low*perMillion, x.Will.High*perMillion
		out = append(out, x)
	}
	return out
}

// up rounds a threshold up to what people read.
func up(x float64, whole bool) float64 {
	if whole {
		return math.Ceil(x - 1e-9)
	}
	return math.Ceil(100*x-1e-9) / 100
}

// below returns how many scores, ascending, lie below x.
func below(scores []float64, x float64) int {
	i, _ := slices.BinarySearch(scores, x)
	return i
}

// chooser estimates how often the highest score of a block passes a threshold.
type chooser struct {
	scores []float64 // above 0, ascending
	blocks float64
	ratio  bool
	rng    *rand.Rand

	fitted bool
	peaks  []float64 // excesses over the score that most lie below
	from   float64   // that score, its logarithm for ratios
	tail   extreme.GPD
	drawn  []resample // of the peaks
	failed bool
}

// resample is the tail of peaks drawn anew, and how many there were.
type resample struct {
	peaks float64
	tail  extreme.GPD
}

const (
	tailShare = 0.05 // of blocks that a tail is fitted to
	enough    = 10   // passes that are counted rather than extrapolated
	resamples = 100
	tailMost  = 256 // peaks: more of them reach too far down
)

func (c *chooser) scale(x float64) float64 {
	if c.ratio {
		return math.Log(x)
	}
	return x
}

// fit fits the tail of the highest scores.
func (c *chooser) fit() bool {
	if c.fitted {
		return !c.failed
	}
	c.fitted = true
	k := min(max(int(c.blocks*tailShare), 20), tailMost, len(c.scores)-1)
	if k < 1 {
		c.failed = true
		return false
	}
	c.from = c.scale(c.scores[len(c.scores)-1-k])
	for _, x := range c.scores[len(c.scores)-k:] {
		if y := c.scale(x) - c.from; y > 0 { // ties with it say nothing of the tail
			c.peaks = append(c.peaks, y)
		}
	}
	var err error
	if c.tail, err = fitTail(c.peaks); err != nil {
		c.failed = true
		return false
	}
	sample := make([]float64, len(c.peaks))
	for range resamples {
		n := max(float64(len(c.peaks))+math.Sqrt(float64(len(c.peaks)))*c.rng.NormFloat64(), 1)
		for i := range sample {
			sample[i] = c.peaks[c.rng.IntN(len(c.peaks))]
		}
		if tail, err := fitTail(sample); err == nil {
			c.drawn = append(c.drawn, resample{n, tail})
		}
	}
	return true
}

// fitTail fits a tail that has no end: that the highest of some hundred scores is the highest there can be is not believed.
func fitTail(excesses []float64) (extreme.GPD, error) {
	tail, err := extreme.FitGPD(excesses, nil)
	if err == nil && tail.Shape < 0 {
		tail = extreme.GPD{Scale: stat.Mean(excesses, nil)}
	}
	return tail, err
}

// choose returns the threshold that a block passes with probability p.
func (c *chooser) choose(now, least, p float64) (threshold float64, basis string, on int) {
	allowed := p * c.blocks
	if allowed >= enough {
		i := len(c.scores) - 1 - int(allowed)
		if i < 0 {
			return least, Counted, len(c.scores)
		}
		return max(math.Nextafter(c.scores[i], math.Inf(1)), least), Counted, len(c.scores)
	}
	if c.fit() {
		z := c.from + c.tail.ReturnLevel(min(allowed/float64(len(c.peaks)), 1))
		if c.ratio {
			z = math.Exp(z)
		}
		if z < now { // only as far down as the upper end of the interval allows
			z = now
			for low := max(least, c.scores[0]); z-low > 0.005; {
				if half := low + (z-low)/2; c.upper(half) <= p {
					z = half
				} else {
					low = half
				}
			}
		}
		return min(max(z, least), 1e6), Tail, len(c.peaks)
	}
	over := len(c.scores) - below(c.scores, now)
	if float64(over) <= allowed {
		return now, Kept, len(c.scores)
	}
	top := c.scores[len(c.scores)-1]
	return max(now, top*1.05), TooFew, len(c.scores)
}

// rate returns with which probability a block passes a threshold, with an interval of 95%: as counted, or beyond what can be
// counted, from the fitted tail and its resamples.
func (c *chooser) rate(threshold float64) (p, low, high float64) {
	if c.blocks <= 0 {
		return 0, 0, 0
	}
	over := len(c.scores) - below(c.scores, threshold)
	counted := NewRate(over, 1e6)
	p, low, high = counted.PerMillion/c.blocks, counted.Low/c.blocks, counted.High/c.blocks
	z := c.scale(threshold)
	if over >= enough || !c.fit() || z <= c.from || len(c.drawn) < resamples/2 {
		return p, low, high
	}
	share := float64(len(c.peaks)) / c.blocks
	p = share * c.tail.Survival(z-c.from)
	var drawn []float64
	for _, d := range c.drawn {
		drawn = append(drawn, d.peaks/c.blocks*d.tail.Survival(z-c.from))
	}
	slices.Sort(drawn)
	return p, min(p, stat.Quantile(0.025, stat.Empirical, drawn, nil)), max(p, stat.Quantile(0.975, stat.Empirical, drawn, nil))
}

// upper returns the upper end of the interval of a rate.
func (c *chooser) upper(threshold float64) float64 {
	_, _, high := c.rate(threshold)
	return high
}

// False returns the rate of incidents of a severity that nothing known explains, in what is counted.
func (t *Tally) False(extra []incident.Record, severity incident.Severity, s Span) Rate {
	n := 0
	for i := range extra {
		if e := &extra[i]; e.Severity == severity && e.DetectedAt.UnixNano() >= t.Start+int64(s.Learning)*week {
			n++
		}
	}
	return NewRate(n, s.UserWeeks)
}
