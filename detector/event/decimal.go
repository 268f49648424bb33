package event

import "math/bits"

// decimal is the magnitude of a number in units of its scale.
type decimal struct {
	hi, lo uint64
	neg    bool
	exact  bool // nothing was rounded away
}

type decimalFault uint8

const (
	decimalOK decimalFault = iota
	decimalSyntax
	decimalOverflow // 2^127 units or more
)

// maxPlace is the place of the highest decimal digit that 127 bits can hold (1.7e38).
const maxPlace = 38

// parseDecimal reads [+-]digits[.digits][e[+-]digits], with a digit on at least one side of the point, as a
// multiple of 10^-scale, rounded half to even. JSON numbers are a subset of that grammar. It works on the
// text, never through a float, and takes time linear in len(s) whatever the exponent says.
func parseDecimal(s string, scale int) (decimal, decimalFault) {
	var d decimal
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		d.neg = s[i] == '-'
		i++
	}
	mantissa := i
	whole, digits, point := 0, 0, false
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c-'0' > 9 {
			break
		}
		digits++
		if !point {
			whole++
		}
	}
	if digits == 0 {
		return d, decimalSyntax
	}
	end := i
	exp, ok := parseExponent(s[i:])
	if !ok {
		return d, decimalSyntax
	}

	// place is the power of ten of the next digit, in units: the digits down to place 0 are kept, the one at
	// -1 decides the rounding, and what lies below only says whether there was anything.
	place := int64(whole) - 1 + exp + int64(scale)
	var next byte
	var rest bool
	for _, c := range []byte(s[mantissa:end]) {
		if c == '.' {
			continue
		}
		c -= '0'
		switch {
		case place >= 0:
			if c != 0 && place > maxPlace || !d.push(c) {
				return d, decimalOverflow
			}
		case place == -1:
			next = c
		default:
			rest = rest || c != 0
		}
		place--
	}
	for ; place >= 0 && d.hi|d.lo != 0; place-- {
		if !d.push(0) {
			return d, decimalOverflow
		}
	}
	d.exact = next == 0 && !rest
	if next > 5 || next == 5 && (rest || d.lo&1 == 1) {
		var carry uint64
		d.lo, carry = bits.Add64(d.lo, 1, 0)
		d.hi += carry
		if d.hi>>63 != 0 {
			return d, decimalOverflow
		}
	}
	return d, decimalOK
}

// push appends a digit and reports whether the magnitude still fits 127 bits.
func (d *decimal) push(digit byte) bool {
	if d.hi > (1<<63-1)/10 {
		return false
	}
	carry, lo := bits.Mul64(d.lo, 10)
	lo, c := bits.Add64(lo, uint64(digit), 0)
	d.hi, d.lo = d.hi*10+carry+c, lo
	return d.hi>>63 == 0
}

// parseExponent reads an optional exponent that must fill s. It saturates far beyond any mantissa that a
// record can hold, so that 1e99999999999 costs nothing.
func parseExponent(s string) (exp int64, ok bool) {
	if s == "" {
		return 0, true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	s = s[1:]
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c -= '0'; c > 9 {
			return 0, false
		}
		exp = min(exp*10+int64(c), 1<<40)
	}
	if neg {
		exp = -exp
	}
	return exp, true
}
