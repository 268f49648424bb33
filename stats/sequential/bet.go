package sequential

import "math"

// Bet turns an amount with heavy tails into an e-value by staking a part of the evidence on it being large:
//
//	e = 1 − λ + λ·min(y/(guard·mean), cap).
//
// For every y ≥ 0 whose conditional mean is at most guard·mean the expectation is at most 1, without any assumption on the
// tail. Fields: Stake λ in (0, 1); Guard ≥ 1, how many times the baseline is still taken for normal; Cap > 1, what one
// sample can say at most. The zero value stakes nothing and always says 0 nats.
//
// Source: Waudby-Smith and Ramdas, Estimating Means of Bounded Random Variables by Betting, 2024, section 3; the cap is ours.
type Bet struct{ Stake, Guard, Cap float64 }

// LogE returns ln e for amount y against mean, both in one unit: at least ln(1−λ), at most ln(1−λ+λ·cap).
// A mean of 0 makes any positive y as large as the cap, and y = 0 say nothing (0 nats). NaN if y or mean is negative or NaN.
func (b Bet) LogE(y, mean float64) float64 { return math.Log1p(b.Stake * (b.multiple(y, mean) - 1)) }

// multiple returns min(y/(guard·mean), cap), 1 for 0/0.
func (b Bet) multiple(y, mean float64) float64 {
	switch {
	case !(y >= 0 && mean >= 0):
		return math.NaN()
	case b.Stake == 0 || y == 0 && mean == 0:
		return 1
	}
	return min(y/(b.Guard*mean), b.Cap)
}

// Leaky is evidence that drains away with time, as in a CUSUM with a leak:
//
//	W ← max(0, W·2^(−Δt/halfLife) + ln e).
//
// The leak is what keeps changes of habit from adding up over weeks. W is not a log e-value; its threshold comes from history.
// The zero value is no evidence. 16 bytes. Not safe for concurrent use.
type Leaky struct{ w, at float64 }

// Add adds logE nats seen at time at and returns the evidence then. Time and half-life share any one unit; a time before the
// newest one adds without leaking. A time constant τ is a half-life of τ·ln 2. A NaN, or an infinite time, is left out.
// It panics if the half-life is not positive.
func (l *Leaky) Add(logE, at, halfLife float64) float64 {
	if math.IsNaN(logE) || at-at != 0 {
		return l.w
	}
	left := l.At(at, halfLife)
	if left == 0 || at > l.at {
		l.at = at
	}
	l.w = max(0, left+logE)
	return l.w
}

// At returns the evidence left at time at if nothing is added. It panics if the half-life is not positive.
func (l Leaky) At(at, halfLife float64) float64 {
	if !(halfLife > 0) {
		panic("stats: Leaky: half-life must be positive")
	}
	if at <= l.at || l.w == 0 {
		return l.w
	}
	return l.w * math.Exp2((l.at-at)/halfLife)
}
