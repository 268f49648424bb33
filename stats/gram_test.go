package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The Karush-Kuhn-Tucker conditions say that a solution is the non-negative optimum: the gradient is zero where a
// coefficient is positive and points down nowhere else. Small whole numbers make dependent columns common.
func TestNNLSMeetsKKT(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &gram{p: rapid.IntRange(1, MaxColumns).Draw(t, "p")}
		for range rapid.IntRange(1, 12).Draw(t, "rows") {
			row := make([]float64, g.p)
			for j := range row {
				row[j] = float64(rapid.IntRange(-3, 5).Draw(t, "x"))
			}
			g.add(row, float64(rapid.IntRange(-20, 20).Draw(t, "y")), 1)
		}
		beta := g.nnls()
		for j := range g.p {
			grad := -g.b[j]
			for k := range g.p {
				grad += g.at(j, k) * beta[k]
			}
			// Scale of the sums that cancel, times what the choice between supports may forgo.
			tol := 1e-5 * (1 + math.Sqrt(g.a[j][j]*g.yy))
			switch {
			case beta[j] < 0:
				t.Fatalf("coefficient %d is %v", j, beta[j])
			case beta[j] > 0 && math.Abs(grad) > tol:
				t.Fatalf("coefficient %d is %v with gradient %v", j, beta[j], grad)
			case beta[j] == 0 && grad < -tol:
				t.Fatalf("coefficient %d is 0 with gradient %v", j, grad)
			}
		}
	})
}

// The share of a column outside the others' span is 1/(a⁻¹)ⱼⱼ for a scaled matrix of two columns: 1 − cos².
func TestApart(t *testing.T) {
	g := &gram{p: 2}
	g.add([]float64{1, 1}, 0, 1)
	g.add([]float64{0, 1}, 0, 1)
	for j := range 2 {
		if got := g.apart(j); math.Abs(got-0.5) > 1e-15 {
			t.Errorf("columns at 45 degrees: column %d lies outside by %v, want 1/2", j, got)
		}
	}
}
