package sequential_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/drainwatch/drainwatch/stats"
)

var (
	nominalFlag = flag.Bool("nominal", false, "measure every bound at full size and print the table of doc.go (make nominal)")
	servegenDir = filepath.Join("..", "..", "..", "shared", "data", "servegen-m-large")
)

// What the bounds are measured at: rare enough to be used, frequent enough to be counted.
const (
	lengthOf    = 1000 // samples a stream
	runIn       = 50   // samples before, from which a baseline is estimated
	memory      = 50.0 // half-life of that estimate, in samples
	apart       = 1000 // samples between false alarms that EDetector and CUSUM promise
	oneIn       = 20   // P(e ≥ 20) ≤ 1/20
	block       = 100  // samples of one test
	riskOf      = 1e-3 // of SPOT
	familySize  = 50   // hypotheses of one family
	guilty      = 5    // of them, tenfold in the second half
	falseShare  = 0.1  // alpha
	coverage    = 0.9  // of onset intervals
	meanOfCount = 4.0  // events a sample, whatever a stream's own scale is
)

// flow is one stream: what was charged, how many events there were, and what each was held against.
type flow struct{ amounts, counts, meanAmount, meanCount []float64 }

// regime makes streams under one set of circumstances. Amounts and counts have mean 1 and meanOfCount, or would have.
type regime struct {
	name  string
	short string
	flow  func(rng *rand.Rand) (amounts, levels []float64) // levels multiply the mean of counts; lengthOf + runIn of both
	known bool                                             // the baseline is the truth; else a mean that fades
}

// amountSigma is of the logarithm of an amount: that of requests on public traces.
const amountSigma = 1.2

func logNormalOfMean1(rng *rand.Rand, sigma float64) float64 {
	return math.Exp(float64(sigma*rng.NormFloat64()) - sigma*sigma/2)
}

func independent(rng *rand.Rand) (amounts, levels []float64) {
	for range lengthOf + runIn {
		amounts, levels = append(amounts, logNormalOfMean1(rng, amountSigma)), append(levels, 1)
	}
	return amounts, levels
}

// sessions draws levels that last five samples on average.
func sessions(rng *rand.Rand) (amounts, levels []float64) {
	level := 0.0
	for i := range lengthOf + runIn {
		if i == 0 || rng.Float64() < 0.2 {
			level = logNormalOfMean1(rng, amountSigma)
		}
		amounts, levels = append(amounts, level*logNormalOfMean1(rng, 0.5)), append(levels, level)
	}
	return amounts, levels
}

func regimes(clients [][]float64) []regime {
	out := []regime{
		{"as assumed", "assumed", independent, true},
		{"baseline estimated", "estimated", independent, false},
		{"sessions", "sessions", sessions, false},
	}
	if len(clients) > 0 {
		out = append(out, regime{"real clients", "real", func(rng *rand.Rand) (amounts, levels []float64) {
			c := clients[rng.IntN(len(clients))]
			from := rng.IntN(len(c) - lengthOf - runIn + 1)
			levels = c[from : from+lengthOf+runIn]
			return levels, levels
		}, false})
	}
	return out
}

// make draws a stream and holds each sample against what was known before it.
func (r *regime) make(rng *rand.Rand) flow {
	var f flow
	amounts, levels := r.flow(rng)
	var amount, count stats.Decay
	for i := range amounts {
		n := distuv.Poisson{Lambda: meanOfCount * levels[i], Src: rng}.Rand()
		if i >= runIn {
			f.amounts, f.counts = append(f.amounts, amounts[i]), append(f.counts, n)
			if r.known {
				f.meanAmount, f.meanCount = append(f.meanAmount, 1), append(f.meanCount, meanOfCount)
			} else {
				f.meanAmount, f.meanCount = append(f.meanAmount, amount.Mean()), append(f.meanCount, max(count.Mean(), 0.1))
			}
		}
		amount.Add(amounts[i], 1, float64(i), memory)
		count.Add(n, 1, float64(i), memory)
	}
	return f
}

// tried is how often something happened that a bound allows at most so often.
type tried struct {
	events float64 // need not be whole: shares of false ones
	of     float64
	bound  float64
}

// multiple is the rate over the bound.
func (x tried) multiple() float64 { return x.events / x.of / x.bound }

// least is the lower end of its interval at 99.9%, taking events for Poisson.
func (x tried) least() float64 {
	low, _ := stats.Garwood(int(x.events), 0.998)
	return low / x.of / x.bound
}

// realClients reads the requests in each ten minutes in which a client made some, over their mean, of clients with enough of
// them; none where the public traces are absent.
func realClients(t *testing.T) (out [][]float64) {
	names, _ := filepath.Glob(filepath.Join(servegenDir, "chunk-*-trace.csv.gz"))
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var active []float64
		sum := 0.0
		in := bufio.NewScanner(z)
		for in.Scan() {
			cells := strings.Split(in.Text(), ",")
			if rate, err := strconv.ParseFloat(cells[1], 64); err == nil && rate > 0 {
				active = append(active, rate)
				sum += rate
			}
		}
		if len(active) < lengthOf+runIn {
			continue
		}
		for i := range active {
			active[i] /= sum / float64(len(active))
		}
		out = append(out, active)
	}
	return out
}

// What a bound promises is kept where its assumptions hold; where they do not, the table says by how much it fails. The full
// measurement is make nominal, and its table stands in doc.go.
func TestNominalAgainstReal(t *testing.T) {
	var clients [][]float64
	if *nominalFlag {
		if clients = realClients(t); clients == nil {
			t.Logf("SKIPPED in part: %s is not there, so the column of real clients is missing", servegenDir)
		}
	}
	all := regimes(clients)
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "rate measured over bound\tbound")
	for _, r := range all {
		fmt.Fprintf(w, "\t%s", r.name)
	}
	fmt.Fprintln(w)
	for k, n := range nominals() {
		fmt.Fprintf(w, "%s\t%s", n.name, n.bound)
		for i := range all {
			r, streams := &all[i], n.streams
			if !*nominalFlag {
				if !r.known {
					continue
				}
				streams /= 10
			}
			x := n.run(r, rand.New(rand.NewPCG(101, uint64(k*10+i))), streams)
			fmt.Fprintf(w, "\t%.2g", x.multiple())
			if r.known && x.least() > max(1, n.asymptotic) {
				t.Errorf("%s: %v of %v where the bound is %v: %.2f times, although its assumptions hold", n.name, x.events, x.of, x.bound, x.multiple())
			}
			if r.known && x.of < 20 {
				t.Errorf("%s: only %v trials", n.name, x.of)
			}
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if *nominalFlag {
		fmt.Println(text.String())
	} else {
		t.Log("\n" + text.String())
	}
}
