package localise

import (
	"math"
	"slices"
)

// The sums of a cell of amounts. A leaf's shift is (real-predict)/(real+predict), tanh of half the log ratio: both directions
// alike, and finite where a side is nothing.
const (
	aBoth   = iota // leaves with values on both sides
	aShift         // the sum of their shifts
	aSquare        // of their squares
	aDown          // leaves that fell to nothing
	aUp            // leaves that came from nothing
	aQuiet         // log-likelihood of all of these if nothing happened
	aWidth
)

const (
	// A cause's leaves share one shift, uniform a priori, and spread about it by one of these, log-spaced and equally likely.
	leastSpread, mostSpread = 0.004, 0.15
	spreads                 = 9
	// The share of leaves that a cause brings to nothing has a beta prior: all or none rather than some.
	nothingPrior = 0.3
	// leastShift is the least mean shift of a cause, a ratio of 1.06: less is a matter of the forecast.
	leastShift = 0.03
	// roundedLeaf is the sum of both sides, in units of the last place of the column with fewer, below which a leaf says nothing:
	// rounding alone brings it to nothing, or doubles it.
	roundedLeaf = 4
	// Everything moved where, of movedLeaves or more, fewer than the share movedSide moved the other way.
	movedSide, movedLeaves = 0.03, 20
)

// amounts is the model of a table whose noise is relative.
type amounts struct {
	leaf      []float64 // the sums of each leaf
	shift     float64   // of the log ratio of everything
	lnNothing float64   // ln probability that a healthy leaf falls to nothing, or comes from it
	lnSpread  [spreads]float64
	precision [spreads]float64
}

func newAmounts(predict, real []float64) *amounts {
	m := &amounts{leaf: make([]float64, len(real)*aWidth)}
	for k := range m.lnSpread {
		m.lnSpread[k] = math.Log(leastSpread) + math.Log(mostSpread/leastSpread)*float64(k)/(spreads-1)
		m.precision[k] = math.Exp(-2 * m.lnSpread[k])
	}
	least := roundedLeaf * math.Pow(10, -math.Min(decimals(predict), decimals(real)))
	y := make([]float64, len(real)) // log ratios; NaN where a leaf says nothing
	for i := range y {
		if y[i] = math.Log(real[i] / predict[i]); real[i]+predict[i] < least {
			y[i] = math.NaN()
		}
	}
	m.shift = shiftOfAll(y)
	if m.shift != 0 {
		for i := range y {
			y[i] -= m.shift
		}
	}
	quiet := newBackground(y)
	m.lnNothing = quiet.lnNothing
	for i, y := range y {
		s := m.leaf[i*aWidth : (i+1)*aWidth]
		switch {
		case math.IsNaN(y):
		case math.IsInf(y, -1):
			s[aDown], s[aQuiet] = 1, m.lnNothing
		case math.IsInf(y, 1):
			s[aUp], s[aQuiet] = 1, m.lnNothing
		default:
			const edge = 1 - 1e-9
			t := math.Max(-edge, math.Min(math.Tanh(y/2), edge))
			s[aBoth], s[aShift], s[aSquare], s[aQuiet] = 1, t, t*t, quiet.lnDensity(y)+math.Log(2/(1-t*t))
		}
	}
	return m
}

// decimals returns with how many decimal places all of these can be written, or infinity beyond six.
func decimals(x []float64) float64 {
	places, scale := 0.0, 1.0
	for _, v := range x {
		for math.Round(v*scale)/scale != v {
			if places, scale = places+1, scale*10; places > 6 {
				return math.Inf(1)
			}
		}
	}
	return places
}

// shiftOfAll returns the median log ratio where next to all leaves moved the same way, else 0.
func shiftOfAll(y []float64) float64 {
	var both []float64
	var down, up float64
	for _, x := range y {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			both = append(both, x)
			if x <= 0 {
				down++
			}
			if x >= 0 {
				up++
			}
		}
	}
	if n := float64(len(both)); n < movedLeaves || math.Min(down, up) >= movedSide*n {
		return 0
	}
	slices.Sort(both)
	return both[len(both)/2]
}

// count returns how many leaves say anything.
func (m *amounts) count(s []float64) float64 { return s[aBoth] + s[aDown] + s[aUp] }

// gain returns by how many nats leaves with these sums are likelier as one cause than as unchanged ones, less length; minus
// infinity where that is not above 0, or the shift is too small.
func (m *amounts) gain(s []float64, length float64) float64 {
	n := s[aBoth]
	if all := m.count(s); all < 0.5 || math.Abs(s[aShift]+s[aUp]-s[aDown]) < leastShift*all {
		return math.Inf(-1)
	}
	length += s[aQuiet]
	square := 0.0
	bound := 0.0 // the likelihood under the best shift and spread
	if n > 1.5 {
		square = math.Max(s[aSquare]-s[aShift]*s[aShift]/n, 0)
		variance := math.Max(square/(n-1), leastSpread*leastSpread)
		bound = -(n-1)/2*math.Log(2*math.Pi*variance) - square/(2*variance)
	}
	if bound < length+weakest {
		return math.Inf(-1)
	}
	return m.evidence(s, square) - length
}

// evidence returns the log-likelihood of leaves as one cause, averaged over its shift and spread; square is the sum of the
// squared differences from their mean.
func (m *amounts) evidence(s []float64, square float64) float64 {
	n := s[aBoth]
	gone, against := m.sides(s)
	sum := against*m.lnNothing + lnBeta(gone+nothingPrior, n+nothingPrior) - lnBetaPrior
	if n < 0.5 {
		return sum
	}
	sum += -math.Ln2 - 0.5*math.Log(n)
	if n < 1.5 {
		return sum
	}
	var l [spreads]float64
	top := math.Inf(-1)
	for k := range l {
		l[k] = -(n-1)*(m.lnSpread[k]+0.5*math.Log(2*math.Pi)) - square/2*m.precision[k]
		top = math.Max(top, l[k])
	}
	average := 0.0
	for _, x := range l {
		if x > top-30 {
			average += math.Exp(x-top) / spreads
		}
	}
	return sum + top + math.Log(average)
}

// under returns the log-likelihood of a child's leaves under its parent's shift and spread, less that of their being unchanged.
func (m *amounts) under(parent, child []float64) float64 {
	gone, against := m.sides(child)
	parentGone, _ := m.sides(parent)
	if (parent[aShift]+parent[aUp] > parent[aDown]) != (child[aShift]+child[aUp] > child[aDown]) {
		gone, against = against, gone
	}
	share := (parentGone + nothingPrior) / (parentGone + parent[aBoth] + 2*nothingPrior)
	sum := against*m.lnNothing + gone*math.Log(share) + child[aBoth]*math.Log1p(-share)
	if n := parent[aBoth]; child[aBoth] > 0.5 && n > 1.5 {
		mean := parent[aShift] / n
		variance := math.Max((parent[aSquare]-parent[aShift]*mean)/(n-1), leastSpread*leastSpread)
		square := child[aSquare] - 2*mean*child[aShift] + child[aBoth]*mean*mean
		sum += -child[aBoth]/2*math.Log(2*math.Pi*variance) - square/(2*variance)
	}
	return sum - child[aQuiet]
}

// sides returns the leaves without a value on the side to which the sums point, and those on the other.
func (m *amounts) sides(s []float64) (with, against float64) {
	if s[aShift]+s[aUp] > s[aDown] {
		return s[aUp], s[aDown]
	}
	return s[aDown], s[aUp]
}

var lnBetaPrior = lnBeta(nothingPrior, nothingPrior)

func lnBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}
