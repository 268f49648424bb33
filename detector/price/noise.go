package price

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/stats"
)

// noise is how far charges scatter about the rate card where nothing is wrong. Most meters charge to the unit; some do not,
// and then a fixed tolerance would call every twentieth row wrong.
type noise struct {
	sample      []float64 // ln(charged ÷ expected)
	rows, right int       // seen, and charged exactly as expected
	spread      float64   // relative difference that is still noise
	exact       bool      // charges follow the card to the unit
	done        bool
}

const (
	noiseRows  = 500
	noiseUnits = 200   // a charge must be this many rounding units for its ratio to mean something
	noiseSigma = 5     // standard deviations that are still noise
	noiseMost  = 0.25  // more than this is not noise
	noiseLeast = 0.002 // less than this is none
)

// observe learns from one row. The scatter is taken about the median, so that a card which is wrong throughout by one
// factor does not pass for noise.
func (n *noise) observe(charged, expected, unit event.Credits) {
	if n.done || charged <= 0 || expected <= 0 {
		return
	}
	n.rows++
	if charged == expected {
		n.right++
	}
	if expected >= noiseUnits*max(unit, 1) {
		n.sample = append(n.sample, math.Log(float64(charged)/float64(expected)))
	}
	if n.rows < noiseRows {
		return
	}
	n.done, n.exact = true, n.right*20 >= n.rows*19
	if _, sigma := stats.MADInPlace(n.sample); !n.exact && len(n.sample) > noiseRows/10 && sigma > noiseLeast {
		n.spread = min(noiseSigma*sigma, noiseMost)
	}
	n.sample = nil
}
