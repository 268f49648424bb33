package event

import (
	"fmt"
	"math/bits"
	"strconv"
)

// Sum is an exact sum of Credits in 128 bits, so no number of rows that fits on earth overflows it.
// The zero value is zero. It is a value: copies are independent, and == compares amounts.
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

// Neg returns -s.
func (s Sum) Neg() Sum {
	var n Sum
	n.SubSum(s)
	return n
}

// IsZero reports whether the sum is zero.
func (s Sum) IsZero() bool { return s == Sum{} }

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

// ParseSum reads a decimal number as ParseCredits does, but refuses to round: a total is somebody's exact
// figure, and digits that would be lost mean that it came from elsewhere.
func ParseSum(s string) (Sum, error) {
	d, bad := parseDecimal(s, creditDecimals)
	switch {
	case bad == decimalSyntax:
		return Sum{}, fmt.Errorf("parse sum: %s is not a decimal number; want one like 41000.250000000", quote(s))
	case bad == decimalOverflow:
		return Sum{}, fmt.Errorf("parse sum: %s is beyond 1.7e29 credits", quote(s))
	case !d.exact:
		return Sum{}, fmt.Errorf("parse sum: %s has more than nine decimals", quote(s))
	}
	v := Sum{hi: int64(d.hi), lo: d.lo}
	if d.neg {
		v = v.Neg()
	}
	return v, nil
}

// String returns the exact sum with nine decimals.
func (s Sum) String() string { return string(s.append(make([]byte, 0, 41))) }

// AppendText appends what String returns. It never fails.
func (s Sum) AppendText(dst []byte) ([]byte, error) { return s.append(dst), nil }

func (s Sum) append(dst []byte) []byte {
	if s.hi < 0 {
		dst = append(dst, '-')
		s = s.Neg() // of the least Sum it is itself, whose bits are the right magnitude when read unsigned
	}
	hi, lo, nano := div128(uint64(s.hi), s.lo, uint64(Credit))
	if hi == 0 {
		return appendNano(strconv.AppendUint(dst, lo, 10), nano)
	}
	const chunk = 1e18 // the greatest power of ten that leaves hi no second word: 2^127/1e9/1e18 < 2^64
	_, top, low := div128(hi, lo, chunk)
	dst = strconv.AppendUint(dst, top, 10)
	for p := uint64(chunk / 10); p > 0; p /= 10 {
		dst = append(dst, '0'+byte(low/p%10))
	}
	return appendNano(dst, nano)
}

func div128(hi, lo, by uint64) (qhi, qlo, rem uint64) {
	qhi, rem = hi/by, hi%by
	qlo, rem = bits.Div64(rem, lo, by)
	return qhi, qlo, rem
}

// MarshalJSON returns the quoted decimal, such as "41000.250000000".
func (s Sum) MarshalJSON() ([]byte, error) {
	return append(s.append([]byte{'"'}), '"'), nil
}

// UnmarshalJSON reads a quoted decimal or a JSON number. Null leaves s as it is.
func (s *Sum) UnmarshalJSON(b []byte) error {
	text, null := unquoteDecimal(b)
	if null {
		return nil
	}
	v, err := ParseSum(text)
	if err != nil {
		return err
	}
	*s = v
	return nil
}
