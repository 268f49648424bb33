package sketch

import "math"

// RelativeError bounds |estimate − sample|/sample for the quantiles of Log within [MinValue, MaxValue).
const RelativeError = 1.0 / (2*perOctave + 1)

// MinValue and MaxValue bound what Log resolves, 19 decades. What lies outside is counted at the nearest end.
const (
	MinValue = 1.0 / (1 << 32)
	MaxValue = 1 << 32
)

const (
	subBits   = 4
	perOctave = 1 << subBits
	octaves   = 64
	// firstIndex is the bucket number of MinValue before it is made zero-based: exponent and leading bits of the mantissa.
	firstIndex = (1023 - 32) << subBits
)

// Log is a histogram of non-negative numbers over buckets that split each octave in 16 equal parts: 3.03% relative
// error at worst, 8 KiB whatever it holds. The bucket is read off the bits of the float, so adding takes no logarithm.
//
// The zero value is empty and ready. Copying copies the whole array. Not safe for concurrent use.
//
// Source: HdrHistogram's layout (Tene, 2012) applied to the bits of a float, as in DDSketch's linear mapping
// (Masson, Rim and Lee, DDSketch, 2019, section 4). Deviation: fixed range instead of collapsing buckets.
type Log struct {
	count [octaves * perOctave]uint64
	zero  uint64
	total uint64
}

// Add counts x. Zero has a bucket of its own, +Inf counts as MaxValue. A negative number or a NaN is left out and Add returns false.
func (l *Log) Add(x float64) bool { return l.AddN(x, 1) }

// AddN counts x n times, see Add.
func (l *Log) AddN(x float64, n uint64) bool {
	if !(x >= 0) {
		return false
	}
	l.total += n
	if x == 0 {
		l.zero += n
		return true
	}
	i := int(math.Float64bits(x)>>(52-subBits)) - firstIndex
	l.count[max(0, min(i, len(l.count)-1))] += n
	return true
}

// Count returns how many numbers were counted.
func (l *Log) Count() uint64 { return l.total }

// Merge adds the counts of o, exactly: it commutes and associates to the bit.
func (l *Log) Merge(o *Log) {
	for i, n := range o.count {
		l.count[i] += n
	}
	l.zero += o.zero
	l.total += o.total
}

// Reset empties l and keeps nothing.
func (l *Log) Reset() { *l = Log{} }

// Quantile returns an estimate of the sample of rank max(1, ⌈q·n⌉) among the n counted, in ascending order (the nearest-rank
// quantile, inverted_cdf elsewhere): within RelativeError of that sample if it is zero or lies in [MinValue, MaxValue).
//
// Below MinValue it returns the middle of the lowest bucket, from MaxValue on that of the highest. NaN when empty.
// Panics unless 0 ≤ q ≤ 1. Cost: one pass over 1024 counters at most.
func (l *Log) Quantile(q float64) float64 {
	if !(q >= 0 && q <= 1) {
		panic("stats: Log.Quantile: q must lie in [0, 1]")
	}
	if l.total == 0 {
		return math.NaN()
	}
	rank := min(max(uint64(math.Ceil(q*float64(l.total))), 1), l.total)
	sum := l.zero
	if rank <= sum {
		return 0
	}
	i := 0
	for ; i < len(l.count)-1; i++ {
		if sum += l.count[i]; rank <= sum {
			break
		}
	}
	return middle(i)
}

// middle returns the value with the same relative distance from both ends of bucket i.
func middle(i int) float64 {
	low := math.Float64frombits(uint64(i+firstIndex) << (52 - subBits))
	high := math.Float64frombits(uint64(i+1+firstIndex) << (52 - subBits))
	return 2 * low / (low + high) * high
}
