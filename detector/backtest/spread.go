package backtest

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Spread is how the values of a sample lie: empirical quantiles, each one of the values. All zero for none.
type Spread struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P95 float64 `json:"p95"`
	Max float64 `json:"max"`
}

// newSpread sorts x in place.
func newSpread(x []float64) Spread {
	if len(x) == 0 {
		return Spread{}
	}
	slices.Sort(x)
	q := func(p float64) float64 { return stat.Quantile(p, stat.Empirical, x, nil) }
	return Spread{N: len(x), P50: q(0.5), P90: q(0.9), P95: q(0.95), Max: x[len(x)-1]}
}
