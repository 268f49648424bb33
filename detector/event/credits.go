package event

import (
	"math"
	"strconv"
)

// Credits is an amount of money in units of 1e-9 credit, so one row may hold ±9.2 billion credits.
type Credits int64

// Credit is one credit.
const Credit Credits = 1_000_000_000

// creditDecimals is the number of decimals of a credit that are kept.
const creditDecimals = 9

// ParseCredits reads a decimal number, with an exponent or without, such as 12, -0.5, 1e-3. Digits beyond the ninth decimal
// are rounded half to even: a producer that computes in floats sends 0.1234567891234, and its noise must not
// lose the row. An amount beyond ±9,223,372,036.85 is an error, never wrapped or clamped.
func ParseCredits(s string) (Credits, error) {
	c, err := parseCredits(s)
	if err != nil {
		return 0, err
	}
	return c, nil
}

func parseCredits(s string) (Credits, *Error) {
	if c, ok := parsePlain(s); ok {
		return c, nil
	}
	d, bad := parseDecimal(s, creditDecimals)
	if bad == decimalSyntax {
		return 0, fault(ReasonCredits, "", "%s is not a decimal number; send one like 12.5", quote(s))
	}
	limit := uint64(math.MaxInt64)
	if d.neg {
		limit++
	}
	if bad != decimalOK || d.hi != 0 || d.lo > limit {
		return 0, fault(ReasonCredits, "", "%s is beyond the 9,223,372,036 credits that one row can hold; check the unit", quote(s))
	}
	if d.neg {
		return Credits(-d.lo), nil
	}
	return Credits(d.lo), nil
}

// parsePlain is the fast path: digits with at most nine decimals and eighteen digits in all, as nearly every row has them.
func parsePlain(s string) (Credits, bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	var n uint64
	point := -1
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			if s[i] != '.' || point >= 0 {
				return 0, false
			}
			point = i
			continue
		}
		n = n*10 + uint64(c)
	}
	decimals := 0
	if point >= 0 {
		decimals = len(s) - 1 - point
		if len(s) == 1 || decimals > creditDecimals {
			return 0, false
		}
	}
	if n > math.MaxInt64/pow10[creditDecimals-decimals] {
		return 0, false
	}
	return Credits(n * pow10[creditDecimals-decimals]), true
}

var pow10 = [creditDecimals + 1]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// Float64 returns the amount in credits, for statistics only.
func (c Credits) Float64() float64 { return float64(c) / float64(Credit) }

// String returns the exact amount with nine decimals.
func (c Credits) String() string { return string(c.append(make([]byte, 0, 21))) }

// AppendText appends what String returns. It never fails.
func (c Credits) AppendText(dst []byte) ([]byte, error) { return c.append(dst), nil }

func (c Credits) append(dst []byte) []byte {
	n := uint64(c)
	if c < 0 {
		dst = append(dst, '-')
		n = -n
	}
	return appendNano(strconv.AppendUint(dst, n/uint64(Credit), 10), n%uint64(Credit))
}

// appendShort is append without the zeros at the end.
func (c Credits) appendShort(dst []byte) []byte {
	dst = c.append(dst)
	n := len(dst)
	for dst[n-1] == '0' {
		n--
	}
	if dst[n-1] == '.' {
		n--
	}
	return dst[:n]
}

// appendNano appends a point and the nine digits of n.
func appendNano(dst []byte, n uint64) []byte {
	dst = append(dst, '.')
	for p := uint64(Credit) / 10; p > 0; p /= 10 {
		dst = append(dst, '0'+byte(n/p%10))
	}
	return dst
}

// MarshalJSON returns the quoted decimal, so that no reader on the way turns money into a float.
func (c Credits) MarshalJSON() ([]byte, error) {
	return append(c.append([]byte{'"'}), '"'), nil
}

// UnmarshalJSON reads a JSON number or a quoted decimal. Null leaves c as it is.
func (c *Credits) UnmarshalJSON(b []byte) error {
	s, null := unquoteDecimal(b)
	if null {
		return nil
	}
	v, err := ParseCredits(s)
	if err != nil {
		return err
	}
	*c = v
	return nil
}

// unquoteDecimal strips the quotes, if any. Escapes need no care: no decimal contains one, so what holds one is refused by the parser.
func unquoteDecimal(b []byte) (s string, null bool) {
	s = string(b)
	if s == "null" {
		return "", true
	}
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return s, false
}
