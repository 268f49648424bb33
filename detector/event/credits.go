package event

import "math/bits"

// Credits is an amount of money in units of 1e-9 credit, so one row may hold ±9.2 billion credits.
type Credits int64

// Credit is one credit.
const Credit Credits = 1_000_000_000

// Float64 returns the amount in credits, for statistics only.
func (c Credits) Float64() float64 { return float64(c) / float64(Credit) }

// Sum is an exact sum of Credits in 128 bits, so no number of rows that fits on earth overflows it.
// The zero value is zero. It is a value: copies are independent.
type Sum struct {
	hi int64
	lo uint64
}

// Add adds c.
func (s *Sum) Add(c Credits) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, uint64(c), 0)
	s.hi += int64(c)>>63 + int64(carry)
}

// AddSum adds t.
func (s *Sum) AddSum(t Sum) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, t.lo, 0)
	s.hi += t.hi + int64(carry)
}

// SubSum subtracts t.
func (s *Sum) SubSum(t Sum) {
	var borrow uint64
	s.lo, borrow = bits.Sub64(s.lo, t.lo, 0)
	s.hi -= t.hi + int64(borrow)
}

// Float64 returns the sum in credits, for statistics only.
func (s Sum) Float64() float64 {
	if s.hi == 0 && s.lo < 1<<63 || s.hi == -1 && s.lo >= 1<<63 {
		return float64(int64(s.lo)) / float64(Credit)
	}
	return (float64(s.hi)*(1<<64) + float64(s.lo)) / float64(Credit)
}

// Cmp returns -1, 0 or 1 as s is less than, equal to or greater than t.
func (s Sum) Cmp(t Sum) int {
	switch {
	case s.hi < t.hi || s.hi == t.hi && s.lo < t.lo:
		return -1
	case s == t:
		return 0
	}
	return 1
}
