package stats

import "math"

// minApart is the least share of a column's square length that must lie outside the span of the others for its
// coefficient to be told apart: a column that differs from a combination of others by a thousandth is identified.
// Rounding in the normal equations is about 1e-15 of that length.
const minApart = 1e-6

// gram holds the normal equations of a weighted least-squares fit: a = Σ xᵀx, b = Σ xᵀy, yy = Σ y².
// Squaring the condition number is no loss here: columns are scaled before solving, and what normal equations
// cannot tell apart in 16 digits, prices rounded to six cannot either.
type gram struct {
	p  int
	a  [MaxColumns]vec
	b  vec
	yy float64
}

// add adds a row, multiplied by scale.
func (g *gram) add(x []float64, y, scale float64) {
	y *= scale
	var z vec
	for j, v := range x {
		z[j] = v * scale
	}
	for j := range g.p {
		if z[j] == 0 {
			continue
		}
		for k := range j + 1 {
			g.a[j][k] += float64(z[j] * z[k])
		}
		g.b[j] += float64(z[j] * y)
	}
	g.yy += float64(y * y)
}

// at returns the element of the symmetric matrix, of which add fills the lower half.
func (g *gram) at(j, k int) float64 {
	if j < k {
		j, k = k, j
	}
	return g.a[j][k]
}

// nnls returns the least-squares coefficients among those that are not negative.
//
// It is exact: the optimum is the unconstrained solution on its own support, so the best feasible solution over all
// supports is it. Where columns are dependent, the support with fewer columns that fits as well wins.
func (g *gram) nnls() vec {
	full := 1<<g.p - 1
	for j := range g.p {
		if g.a[j][j] == 0 {
			full &^= 1 << j
		}
	}
	// Feasible without the constraint is optimal with it. This is the common case.
	if beta, _, ok := g.solve(full); ok {
		return beta
	}
	var best vec
	bestGain := 0.0
	for set := 1; set < full; set++ {
		if set&^full != 0 {
			continue
		}
		beta, gain, ok := g.solve(set)
		// Gains that agree to rounding are one fit with columns to spare: the earlier support stays.
		if ok && gain > bestGain+1e-13*g.yy {
			best, bestGain = beta, gain
		}
	}
	return best
}

// solve returns the least-squares solution on the columns in set, by Cholesky factors of the scaled matrix, and by
// how much it lowers the sum of squares. It is not ok if the columns are dependent or a coefficient is negative.
func (g *gram) solve(set int) (beta vec, gain float64, ok bool) {
	var cols [MaxColumns]int
	n := 0
	for j := range g.p {
		if set>>j&1 == 1 {
			cols[n] = j
			n++
		}
	}
	var l [MaxColumns]vec
	var scale, z vec
	for i, j := range cols[:n] {
		scale[i] = 1 / math.Sqrt(g.a[j][j])
		for k := range i {
			v := float64(g.at(j, cols[k]) * scale[i] * scale[k])
			for m := range k {
				v -= float64(l[i][m] * l[k][m])
			}
			l[i][k] = v / l[k][k]
		}
		pivot, rhs := 1.0, float64(g.b[j]*scale[i])
		for m := range i {
			pivot -= float64(l[i][m] * l[i][m])
			rhs -= float64(l[i][m] * z[m])
		}
		if !(pivot > 1e-12) {
			return vec{}, 0, false
		}
		l[i][i] = math.Sqrt(pivot)
		z[i] = rhs / l[i][i]
		gain += float64(z[i] * z[i])
	}
	for i := n - 1; i >= 0; i-- {
		v := z[i]
		for m := i + 1; m < n; m++ {
			v -= float64(l[m][i] * z[m])
		}
		z[i] = v / l[i][i]
		if z[i] < 0 {
			return vec{}, 0, false
		}
		beta[cols[i]] = z[i] * scale[i]
	}
	return beta, gain, true
}

// apart returns which share of column j's square length lies outside the span of the other columns, 0 to 1.
// Dependent columns among the others are left out, greatest remainder first.
func (g *gram) apart(j int) float64 {
	if g.a[j][j] == 0 {
		return 0
	}
	var c [MaxColumns]vec // the scaled matrix, swept by each column taken out
	var left [MaxColumns]bool
	for i := range g.p {
		left[i] = g.a[i][i] > 0
		for k := range g.p {
			if g.a[i][i] > 0 && g.a[k][k] > 0 {
				c[i][k] = g.at(i, k) / math.Sqrt(g.a[i][i]) / math.Sqrt(g.a[k][k])
			}
		}
	}
	left[j] = false
	for {
		top := -1
		for i := range g.p {
			if left[i] && c[i][i] > minApart && (top < 0 || c[i][i] > c[top][top]) {
				top = i
			}
		}
		if top < 0 {
			return max(c[j][j], 0)
		}
		left[top] = false
		row, pivot := c[top], c[top][top]
		for i := range g.p {
			f := row[i] / pivot
			for k := range g.p {
				c[i][k] -= float64(f * row[k])
			}
		}
	}
}
