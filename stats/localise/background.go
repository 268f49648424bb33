package localise

import (
	"math"
	"sync"
)

// Log ratios are binned by ln|y|. Scales are those of the mixture.
const (
	bins, binLow, binWidth       = 280, -14.0, 0.06
	scales, scaleLow, scaleWidth = 42, -9.0, 0.25
)

const (
	// mixturePrior is the weight, in leaves, of the mixture's even start. Without it the mixture has no wide scales where none
	// were seen, and collapses under heavy tails.
	mixturePrior = 1.0
	// oneScale is by how many nats a mixture must fit better than a single scale, which has sharper tails.
	oneScale = 6.0
	// A healthy leaf without a value on one side was seen this often before the table, under one scale and under a mixture.
	nothingSeen, nothingSeenMixed = 0.01, 0.2
	// ownCause is the length, in nats, besides ln(leaves), of calling a single leaf a cause.
	ownCause = 1.8
)

type histogram [bins]float64

func binOf(y float64) int {
	x := (math.Log(math.Abs(y)) - binLow) / binWidth // -Inf for 0
	return int(math.Max(0, math.Min(x, bins-1)))
}

// edge returns the lower end of a bin, as |y|.
func edge(bin int) float64 {
	switch {
	case bin <= 0:
		return 0
	case bin >= bins:
		return 40
	}
	return math.Exp(binLow + binWidth*float64(bin))
}

// background is the density of log ratios of leaves to which nothing happened, symmetric about 0: a forecast f = v·(1+s·N),
// or as often v = f·(1+s·N), where s is one, or a mixture over leaves. That covers heavy tails and sizes that differ by leaf:
// Student's t is such a mixture.
type background struct {
	ln        [bins + 1]float64 // ln density of y at the middle of each bin
	lnNothing float64           // ln probability of y being minus infinity, and of infinity
}

func newBackground(y []float64) *background {
	var down, up histogram
	var toNothing, fromNothing float64
	for _, x := range y {
		switch {
		case math.IsNaN(x):
		case math.IsInf(x, -1):
			toNothing++
		case math.IsInf(x, 1):
			fromNothing++
		case x < 0:
			down[binOf(x)]++
		case x > 0:
			up[binOf(x)]++
		default:
			down[0] += 0.5
			up[0] += 0.5
		}
	}
	h := healthy(&down, &up)
	return fit(&h, math.Min(toNothing, fromNothing))
}

// healthy returns how many leaves of each size nothing happened to. Causes take leaves of either sign and move them to one, so
// that the rarer sign of each size is an upper bound of half the healthy ones, and holds unless causes up and down mirror each
// other. Sides are smoothed over half an octave; where they agree within chance, both count in full.
func healthy(down, up *histogram) (h histogram) {
	const reach = 5
	for b := range h {
		if down[b]+up[b] == 0 {
			continue
		}
		var d, u, weight float64
		for k := max(b-reach, 0); k <= min(b+reach, bins-1); k++ {
			w := reach + 1 - math.Abs(float64(k-b))
			d, u, weight = d+w*down[k], u+w*up[k], weight+w
		}
		ratio := 2 * math.Min(d, u) / (d + u)
		d, u = d/weight*(reach+1), u/weight*(reach+1) // what the window holds
		if d+u > 100 && math.Abs(d-u) < 2*math.Sqrt(d+u) {
			ratio = 1
		}
		h[b] = (down[b] + up[b]) * ratio
	}
	return h
}

// fit returns the background of these sizes: a single scale, unless a mixture is clearly likelier. Both are judged with every
// leaf free to be a cause of its own, so that a few of those neither widen the scale nor decide for a mixture.
func fit(h *histogram, nothing float64) *background {
	total := 0.0
	var own, full []float64
	var at []int
	for _, c := range h {
		total += c
	}
	for b, c := range h {
		if c > 0 {
			at, full = append(at, b), append(full, c)
			own = append(own, math.Log(math.Tanh(edge(b+1)/2)-math.Tanh(edge(b)/2))-math.Log(total)-ownCause)
		}
	}
	robust := func(mass func(bin int) float64) (sum float64) {
		for k, b := range at {
			sum += full[k] * math.Max(math.Log(mass(b)), own[k])
		}
		return sum
	}
	weights := mixture(at, full)
	mixed := func(b int) (p float64) {
		for j, w := range weights {
			p += w * basis().mass[b][j]
		}
		return p
	}
	single := func(lnScale float64) func(int) float64 {
		s := math.Exp(lnScale)
		return func(b int) float64 { return mass(edge(b), edge(b+1), s) }
	}
	best, scale := math.Inf(-1), scaleLow
	for l := scaleLow; l < 1; l += 0.25 {
		if r := robust(single(l)); r > best {
			best, scale = r, l
		}
	}
	for step := 0.125; step > 0.002; step /= 2 {
		for _, l := range []float64{scale - step, scale + step} {
			if r := robust(single(l)); r > best {
				best, scale = r, l
			}
		}
	}
	if best > robust(mixed)-oneScale {
		expected := total / 2 * lower(-1/math.Exp(scale))
		if n := total + nothing; nothing > 0 && nothing*(math.Log(n)+ownCause) < nothing*math.Log(n/nothing)+math.Log(n)/2 {
			nothing = 0 // so few that each is rather a cause of its own
		}
		return densityOf(single(scale), 1e-12, (nothing+nothingSeen+expected)/(total+nothing+0.5)/4)
	}
	expected := 0.0
	for j, w := range weights {
		expected += total / 2 * w * basis().nothing[j]
	}
	return densityOf(mixed, 0, (nothing+nothingSeen+nothingSeenMixed+expected)/(total+nothing+0.5)/4)
}

// mixture returns the weights of the scales by expectation-maximisation.
func mixture(at []int, full []float64) (w [scales]float64) {
	for j := range w {
		w[j] = 1.0 / scales
	}
	mass := &basis().mass
	for range 100 {
		next, sum := [scales]float64{}, 0.0
		for k, b := range at {
			p := 0.0
			for j := range w {
				p += w[j] * mass[b][j]
			}
			if p > 0 {
				r := full[k] / p
				for j := range w {
					next[j] += r * w[j] * mass[b][j]
				}
			}
		}
		for j := range next {
			next[j] += mixturePrior / scales
			sum += next[j]
		}
		for j := range w {
			w[j] = next[j] / sum
		}
	}
	return w
}

// densityOf turns masses of bins, both signs together, into a density of one sign.
func densityOf(mass func(int) float64, least, nothing float64) *background {
	out := &background{lnNothing: math.Log(nothing)}
	for b := range bins {
		out.ln[b] = math.Log(mass(b)/(2*(math.Exp(binLow+binWidth*float64(b+1))-edge(b))) + least)
	}
	out.ln[bins] = out.ln[bins-1]
	return out
}

// lnDensity interpolates between the middles of bins.
func (b *background) lnDensity(y float64) float64 {
	x := math.Max(0, math.Min((math.Log(math.Abs(y))-binLow)/binWidth-0.5, bins-1))
	i := int(x)
	return b.ln[i] + (x-float64(i))*(b.ln[i+1]-b.ln[i])
}

// basis holds, by scale, the mass of each bin and of falling to nothing.
var basis = sync.OnceValue(func() *struct {
	mass    [bins][scales]float64
	nothing [scales]float64
} {
	out := &struct {
		mass    [bins][scales]float64
		nothing [scales]float64
	}{}
	for j := range scales {
		s := math.Exp(scaleLow + scaleWidth*float64(j))
		for b := range bins {
			out.mass[b][j] = mass(edge(b), edge(b+1), s)
		}
		out.nothing[j] = lower(-1 / s)
	}
	return out
})

// mass returns the probability that |ln(1+s·N)| lies between a and b.
func mass(a, b, s float64) float64 {
	return lower(-math.Expm1(a)/s) - lower(-math.Expm1(b)/s) + lower(math.Expm1(-a)/s) - lower(math.Expm1(-b)/s)
}

// lower is the distribution function of the normal distribution.
func lower(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
