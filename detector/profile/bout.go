package profile

import "math"

// A bout is a run of active buckets: how long without an hour's pause, and how steadily it draws. People work by sittings, whose
// levels differ, and pause; what draws on somebody's account round the clock keeps one pace.
const (
	boutPause  = 6      // buckets without rows that end a bout
	paceForget = 36     // and that end what is known of the pace
	paceWeight = 1. / 8 // of a bucket in the moving average: single ones may differ as they like
	paceMost   = 48     // buckets that the pace is averaged over
	steadyAt   = 0.35   // deviation of the moving average's logarithm up to which evidence counts in full
	unsteadyAt = 0.5    // and what it is taken for while fewer than three buckets are known
)

// BoutHours without a pause, at many times the usual, are no person's day.
const BoutHours = 10

// bout is the state of the present bout.
type bout struct {
	pace           float32 // moving average of the volume of large buckets
	mean, variance float32 // of its logarithm
	large          uint8   // how many those are, up to paceMost
	length         uint8   // buckets since the bout began, up to 255
}

// observe takes in a bucket of volume y that comes gap buckets after the one before it; it is large above the bar.
func (b *bout) observe(gap int64, y, bar float64) {
	if gap > paceForget {
		*b = bout{}
	}
	if gap > boutPause {
		b.length, gap = 0, 1
	}
	b.length = uint8(min(int64(b.length)+gap, math.MaxUint8))
	if y <= bar {
		return
	}
	if b.large == 0 {
		b.pace = float32(y)
	}
	if b.large < paceMost {
		b.large++
	}
	b.pace += paceWeight * (float32(y) - b.pace)
	w := 1 / float32(b.large)
	d := float32(math.Log(float64(b.pace))) - b.mean
	b.mean += w * d
	b.variance = (1 - w) * (b.variance + w*d*d)
}

// steadiness returns the share of the evidence that counts: all while the pace deviates by no more than steadyAt, in inverse
// proportion beyond.
func (b *bout) steadiness() float64 {
	deviation := unsteadyAt
	if b.large >= 3 {
		deviation = math.Sqrt(float64(b.variance))
	}
	return steadyAt / max(deviation, steadyAt)
}

// hours returns how long the bout has lasted.
func (b *bout) hours() float64 { return float64(b.length) / 6 }
