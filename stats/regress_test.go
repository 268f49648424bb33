package stats_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/stats"
)

// bill is a made-up set of charged rows: token counts of a coding agent and a price list a million tokens.
type bill struct {
	x      [][]float64
	y, tol []float64
}

// makeBill charges rows of input, cached, cache-write and output tokens at price, rounded to a millionth of a credit,
// which is also the tolerance (twice the rounding), and multiplies a share of them by factor().
func makeBill(rng *rand.Rand, rows int, price []float64, share float64, factor func() float64) bill {
	var b bill
	for i := range rows {
		in := math.Floor(math.Exp(7 + 1.5*rng.NormFloat64()))
		row := []float64{in, 0, 0, math.Floor(math.Exp(5 + rng.NormFloat64()))}
		if rng.Float64() < 0.7 {
			row[1] = math.Floor(in * 20 * rng.Float64())
		}
		if rng.Float64() < 0.05 {
			row[2] = math.Floor(in * rng.Float64())
		}
		row = row[:len(price)]
		var y float64
		for j, v := range row {
			y += v * price[j] / 1e6
		}
		if float64(i) < share*float64(rows) {
			y *= factor()
		}
		b.x = append(b.x, row)
		b.y = append(b.y, math.Round(y*1e6)/1e6)
		b.tol = append(b.tol, 1e-6)
	}
	rng.Shuffle(rows, func(i, j int) {
		b.x[i], b.x[j] = b.x[j], b.x[i]
		b.y[i], b.y[j] = b.y[j], b.y[i]
	})
	return b
}

func (b bill) fit(t testing.TB, rng *rand.Rand) stats.Fit {
	t.Helper()
	f, err := stats.RobustLinear(b.x, b.y, b.tol, rng)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Odd prices, so that rounding errors are spread evenly: halves, always rounded up, would push prices up.
var listPrice = []float64{1.27, 0.131, 1.613, 9.97}

func TestRobustLinearFindsThePriceList(t *testing.T) {
	for _, c := range []struct {
		name   string
		rows   int
		price  []float64
		share  float64
		factor func(*rand.Rand) float64
	}{
		{"clean", 100, listPrice, 0, nil},
		{"one column", 100, listPrice[:1], 0.4, func(*rand.Rand) float64 { return 12 }},
		{"all off rows twelve times", 300, listPrice, 0.4, func(*rand.Rand) float64 { return 12 }},
		{"all off rows doubled", 600, listPrice, 0.4, func(*rand.Rand) float64 { return 2 }},
		{"all off rows at half price", 300, listPrice, 0.4, func(*rand.Rand) float64 { return 0.5 }},
		{"all off rows free", 300, listPrice, 0.4, func(*rand.Rand) float64 { return 0 }},
		{"each off row by its own factor", 300, listPrice, 0.4, func(r *rand.Rand) float64 { return math.Exp(3 * r.NormFloat64()) }},
		{"off by one per cent", 600, listPrice, 0.4, func(*rand.Rand) float64 { return 1.01 }},
		{"a free kind of token", 300, []float64{1.27, 0, 1.27, 9.97}, 0.4, func(*rand.Rand) float64 { return 12 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(20) {
				rng := rand.New(rand.NewPCG(seed, 7))
				b := makeBill(rng, c.rows, c.price, c.share, func() float64 { return c.factor(rng) })
				f := b.fit(t, rng)
				if min := int(math.Floor((1 - c.share) * float64(c.rows))); f.Inliers < min || f.Share != float64(f.Inliers)/float64(c.rows) {
					t.Fatalf("seed %d: %d of %d rows obey, share %v, at least %d were charged right", seed, f.Inliers, c.rows, f.Share, min)
				}
				for j, want := range c.price {
					got := f.Coef[j] * 1e6
					// Rounding is uniform with a deviation of 0.29 tolerances, so 1.5 times Err is five deviations.
					if !f.Identified[j] || math.Abs(got-want) > 1.5e6*f.Err[j]+1e-12 || f.Err[j]*1e6 > 0.01 {
						t.Errorf("seed %d: column %d priced %v ± %v (identified: %v), charged %v", seed, j, got, f.Err[j]*1e6, f.Identified[j], want)
					}
				}
			}
		})
	}
}

// A lost cache discount obeys another law on the cached rows and the same one on the rest: the majority law must win.
func TestRobustLinearWithALostDiscount(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		b := makeBill(rng, 400, listPrice, 0, nil)
		cached := 0
		for i, row := range b.x {
			if row[1] == 0 {
				continue
			}
			if cached++; cached%5 < 2 {
				b.y[i] = math.Round(b.y[i]*1e6+row[1]*(1.27-0.131)) / 1e6
			}
		}
		if f := b.fit(t, rng); math.Abs(f.Coef[1]*1e6-0.131) > 1e-4 {
			t.Errorf("seed %d: cached tokens priced %v, most pay 0.131", seed, f.Coef[1]*1e6)
		}
	}
}

func TestRobustLinearSaysWhatItCannotTellApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, c := range []struct {
		name string
		make func(row []float64) []float64
		want []bool
	}{
		{"a column of zeros", func(r []float64) []float64 { return []float64{r[0], 0, r[3]} }, []bool{true, false, true}},
		{"proportional columns", func(r []float64) []float64 { return []float64{r[0], r[0] / 2, r[3]} }, []bool{false, false, true}},
		{"a column that is the sum of two", func(r []float64) []float64 { return []float64{r[0], r[1], r[0] + r[1], r[3]} }, []bool{false, false, false, true}},
		{"two pairs", func(r []float64) []float64 { return []float64{r[0], r[3], 3 * r[0], 2 * r[3]} }, []bool{false, false, false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := makeBill(rng, 300, listPrice, 0.3, func() float64 { return 12 })
			price := listPrice
			for i, row := range b.x {
				off := b.y[i] > 2*(row[0]*price[0]+row[1]*price[1]+row[2]*price[2]+row[3]*price[3])/1e6+2e-6
				b.x[i] = c.make(row)
				b.y[i] = 0
				for j, v := range b.x[i] {
					b.y[i] += v * price[j] / 1e6
				}
				b.tol[i] = 1e-9 + 1e-9*b.y[i]
				if off {
					b.y[i] *= 12
				}
			}
			f := b.fit(t, rng)
			if !slices.Equal(f.Identified, c.want) {
				t.Errorf("identified %v, want %v (coefficients %v)", f.Identified, c.want, f.Coef)
			}
			if got := stats.Apart(b.x, b.tol); !slices.Equal(got, c.want) {
				t.Errorf("told apart over all rows: %v, want %v", got, c.want)
			}
			if f.Share < 0.65 {
				t.Errorf("only %v of the rows predicted, 0.7 obey", f.Share)
			}
			for j := range f.Coef {
				if f.Identified[j] != !math.IsInf(f.Err[j], 1) {
					t.Errorf("column %d: identified %v with error %v", j, f.Identified[j], f.Err[j])
				}
				if f.Identified[j] && math.Abs(f.Coef[j]*1e6-price[j]) > 1e-3 {
					t.Errorf("column %d: %v, want %v", j, f.Coef[j]*1e6, price[j])
				}
			}
		})
	}
}

// Without outliers and with tolerances that let every row in, the fit is plain least squares: gonum's QR is the oracle.
func TestRobustLinearAgainstLeastSquares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		p := rapid.IntRange(1, stats.MaxColumns).Draw(t, "columns")
		n := rapid.IntRange(4*p, 80).Draw(t, "rows")
		x, y, tol := make([][]float64, n), make([]float64, n), make([]float64, n)
		design, rhs := mat.NewDense(n, p, nil), mat.NewVecDense(n, nil)
		for i := range n {
			x[i] = make([]float64, p)
			tol[i] = 10 * (1 + rng.Float64())
			y[i] = rng.Float64() - 0.5
			for j := range p {
				x[i][j] = rng.Float64() * math.Pow(10, float64(j))
				y[i] += x[i][j] * float64(j+1)
				design.Set(i, j, x[i][j]/tol[i])
			}
			rhs.SetVec(i, y[i]/tol[i])
		}
		f, err := stats.RobustLinear(x, y, tol, rng)
		if err != nil {
			t.Fatal(err)
		}
		if f.Inliers != n {
			t.Fatalf("%d of %d rows obey", f.Inliers, n)
		}
		var want mat.VecDense
		if err := want.SolveVec(design, rhs); err != nil {
			t.Skip("oracle calls the design ill-conditioned")
		}
		for j := range p {
			if want.AtVec(j) < 0 {
				return // the constraint binds; KKT conditions are tested on the solver itself
			}
		}
		for j := range p {
			if got := f.Coef[j]; math.Abs(got-want.AtVec(j)) > 1e-8*want.AtVec(j) {
				t.Fatalf("column %d: %v, least squares %v", j, got, want.AtVec(j))
			}
		}
	})
}

func TestRobustLinearIsDeterministicAndScales(t *testing.T) {
	b := makeBill(rand.New(rand.NewPCG(9, 9)), 300, listPrice, 0.3, func() float64 { return 12 })
	seed := func() *rand.Rand { return rand.New(rand.NewPCG(4, 2)) }
	one, two := b.fit(t, seed()), b.fit(t, seed())
	if !slices.Equal(one.Coef, two.Coef) || !slices.Equal(one.Err, two.Err) {
		t.Errorf("same seed, same rows: %v and %v", one, two)
	}
	// Powers of two are exact, so another unit must give the same bits.
	for i := range b.y {
		b.y[i], b.tol[i] = b.y[i]*1024, b.tol[i]*1024
	}
	scaled := b.fit(t, seed())
	for j := range one.Coef {
		if scaled.Coef[j] != 1024*one.Coef[j] || scaled.Err[j] != 1024*one.Err[j] {
			t.Errorf("column %d: %v ± %v in units 1024 times smaller, want 1024 times %v ± %v", j, scaled.Coef[j], scaled.Err[j], one.Coef[j], one.Err[j])
		}
	}
}

func TestRobustLinearRefusesBadData(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	ok := func() bill { return makeBill(rng, 20, listPrice, 0, nil) }
	for name, spoil := range map[string]func(*bill){
		"x NaN":          func(b *bill) { b.x[3][1] = nan },
		"x infinite":     func(b *bill) { b.x[3][1] = inf },
		"y NaN":          func(b *bill) { b.y[3] = nan },
		"tolerance zero": func(b *bill) { b.tol[3] = 0 },
		"tolerance NaN":  func(b *bill) { b.tol[3] = nan },
		"few rows":       func(b *bill) { b.x, b.y, b.tol = b.x[:8], b.y[:8], b.tol[:8] },
		"no rows":        func(b *bill) { *b = bill{} },
	} {
		b := ok()
		spoil(&b)
		_, err := stats.RobustLinear(b.x, b.y, b.tol, rng)
		if err == nil || errors.Is(err, stats.ErrTooFewRows) != (name == "few rows" || name == "no rows") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	mustPanic(t, "lengths", func() { _, _ = stats.RobustLinear(ok().x, nil, nil, rng) })
	mustPanic(t, "ragged", func() { b := ok(); b.x[1] = b.x[1][:2]; b.fit(t, rng) })
	mustPanic(t, "columns", func() {
		_, _ = stats.RobustLinear([][]float64{make([]float64, 7)}, []float64{1}, []float64{1}, rng)
	})
	mustPanic(t, "apart: lengths", func() { stats.Apart(ok().x, nil) })
	mustPanic(t, "apart: ragged", func() { b := ok(); b.x[1] = b.x[1][:2]; stats.Apart(b.x, b.tol) })
	mustPanic(t, "apart: columns", func() { stats.Apart([][]float64{make([]float64, 7)}, []float64{1}) })
	mustPanic(t, "predict", func() { stats.Fit{Coef: []float64{1}}.Predict([]float64{1, 2}) })
}

func ExampleRobustLinear() {
	rng := rand.New(rand.NewPCG(1, 2))
	var x [][]float64
	var y, tol []float64
	for i := range 200 {
		input, output := float64(500+rng.IntN(5000)), float64(50+rng.IntN(500))
		charge := input*1.25e-6 + output*10e-6
		if i%3 == 0 {
			charge *= 12 // a third of the rows is overcharged
		}
		x, y, tol = append(x, []float64{input, output}), append(y, charge), append(tol, 1e-9)
	}
	fit, err := stats.RobustLinear(x, y, tol, rng)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.3f and %.3f a million tokens, obeyed by %.0f%%\n", fit.Coef[0]*1e6, fit.Coef[1]*1e6, 100*fit.Share)
	// Output: 1.250 and 10.000 a million tokens, obeyed by 66%
}

func ExampleApart() {
	x := [][]float64{{1000, 500, 20}, {2000, 1000, 90}, {1500, 750, 10}, {800, 400, 35}} // the second is always half of the first
	fmt.Println(stats.Apart(x, []float64{1, 1, 1, 1}))
	// Output: [false false true]
}

func BenchmarkRobustLinear(b *testing.B) {
	for _, share := range []float64{0, 0.2, 0.4} {
		for _, rows := range []int{100, 600} {
			b.Run(fmt.Sprintf("rows=%d/off=%v", rows, share), func(b *testing.B) {
				rng := rand.New(rand.NewPCG(1, 1))
				data := makeBill(rng, rows, listPrice, share, func() float64 { return 12 })
				b.ReportAllocs()
				for b.Loop() {
					data.fit(b, rng)
				}
			})
		}
	}
}
