package event

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks over one JSON text. Its methods start at the first byte of what they read and end behind its
// last; none of them allocates unless a string holds escapes.
type scanner struct {
	s string
	i int
}

// peek returns the next byte, or 0 at the end; a raw NUL is no token anywhere, so the two need no telling apart.
func (p *scanner) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *scanner) space() {
	if p.i < len(p.s) && p.s[p.i] <= ' ' {
		p.spaces()
	}
}

func (p *scanner) spaces() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// broken says that the text is no JSON at the current byte.
func (p *scanner) broken(want string) *Error {
	if p.i >= len(p.s) {
		return fault(ReasonJSON, "", "record ends at byte %d where %s belongs; it was cut short", p.i, want)
	}
	_, n := utf8.DecodeRuneInString(p.s[p.i:])
	return fault(ReasonJSON, "", "not JSON at byte %d: %s where %s belongs", p.i, quote(p.s[p.i:p.i+n]), want)
}

// str reads a string and returns what stands between the quotes, and whether that holds escapes.
func (p *scanner) str() (raw string, escaped bool, err *Error) {
	if p.peek() != '"' {
		return "", false, p.broken("a quote")
	}
	if s, ok := p.plain(); ok {
		return s, false, nil
	}
	return p.oddStr()
}

// plain reads a string without escapes, once its opening quote has been seen; else it reads nothing.
func (p *scanner) plain() (string, bool) {
	start := p.i + 1
	end := plainEnd(p.s, start)
	if end >= len(p.s) || p.s[end] != '"' {
		return "", false
	}
	p.i = end + 1
	return p.s[start:end], true
}

// oddStr is str for a string that holds escapes or is broken.
func (p *scanner) oddStr() (raw string, escaped bool, err *Error) {
	s, start := p.s, p.i+1
	for i := plainEnd(s, start); i < len(s); i = plainEnd(s, i+1) {
		switch s[i] {
		case '"':
			p.i = i + 1
			return s[start:i], escaped, nil
		case '\\':
			escaped = true
			n := escapeLen(s[i:])
			if n == 0 {
				p.i = i
				return "", false, p.broken("an escape of JSON")
			}
			i += n - 1
		default:
			p.i = i
			return "", false, p.broken("an escaped control character")
		}
	}
	p.i = len(s)
	return "", false, p.broken("a closing quote")
}

// plainEnd returns where the plain text from s[i] ends: at the next quote, backslash or control character, or at
// the end of s. It looks at eight bytes at a time, which halves the cost of a row: in the word that holds them,
// m marks the bytes that are special by their top bits. A mark may be false only above a true one, and the lowest is taken.
func plainEnd(s string, i int) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		quote, slash := x^low*'"', x^low*'\\'
		m := ((quote-low)&^quote | (slash-low)&^slash | (x-low*' ')&^x) & high
		if m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= ' ' {
		i++
	}
	return i
}

// escapeLen returns the length of the escape that s begins with, or 0 if it is none of JSON's.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(s); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads \uXXXX.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape resolves the escapes of a string that str has read. It is false for a lone surrogate: some parsers
// keep it, some replace it, and replacing would make one user of two.
func unescape(raw string) (string, bool) {
	b := make([]byte, 0, len(raw))
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 {
			return string(append(b, raw...)), true
		}
		b = append(b, raw[:i]...)
		raw = raw[i:]
		n := 2
		switch c := raw[1]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, _ := hex4(raw)
			n = 6
			if utf16.IsSurrogate(r) {
				low, _ := hex4(raw[6:])
				r = utf16.DecodeRune(r, low)
				if r == utf8.RuneError {
					return "", false
				}
				n = 12
			}
			b = utf8.AppendRune(b, r)
		default: // a quote or a slash of either kind
			b = append(b, c)
		}
		raw = raw[n:]
	}
}

// number reads a number and returns its text.
func (p *scanner) number() (string, *Error) {
	s, start := p.s, p.i
	if p.peek() == '-' {
		p.i++
	}
	if p.peek() == '0' {
		p.i++
	} else if !p.digits() {
		return "", p.broken("a digit")
	}
	if p.peek() == '.' {
		p.i++
		if !p.digits() {
			return "", p.broken("a digit")
		}
	}
	if p.peek()|0x20 == 'e' {
		p.i++
		if c := p.peek(); c == '-' || c == '+' {
			p.i++
		}
		if !p.digits() {
			return "", p.broken("a digit")
		}
	}
	return s[start:p.i], nil
}

func (p *scanner) digits() bool {
	start := p.i
	for p.i < len(p.s) && p.s[p.i]-'0' <= 9 {
		p.i++
	}
	return p.i > start
}

// literal reads word if it comes next.
func (p *scanner) literal(word string) bool {
	if strings.HasPrefix(p.s[p.i:], word) {
		p.i += len(word)
		return true
	}
	return false
}

// key reads a key, the colon and the space around it.
func (p *scanner) key() (raw string, escaped bool, err *Error) {
	s, start := p.s, p.i+1
	if start < len(s) && s[start-1] == '"' { // without white space or escapes, the position stays in a register
		end := plainEnd(s, start)
		if end+2 < len(s) && s[end] == '"' && s[end+1] == ':' && s[end+2] > ' ' {
			p.i = end + 2
			return s[start:end], false, nil
		}
	}
	raw, escaped, err = p.str()
	if err != nil {
		return "", false, err
	}
	p.space()
	if p.peek() != ':' {
		return "", false, p.broken("a colon")
	}
	p.i++
	p.space()
	return raw, escaped, nil
}

// skip reads any value of a field of the record and checks that it is JSON, without recursion: a stack of
// bits tells objects (1) from arrays (0), and depth counts the record itself as one.
func (p *scanner) skip() *Error {
	var stack uint64
	depth := 1
	for {
		opened, err := p.open(&stack, &depth)
		if err != nil {
			return err
		}
		if opened {
			continue
		}
		if done, err := p.next(&stack, &depth); done || err != nil {
			return err
		}
	}
}

// open reads a scalar, or enters a container up to its first value and says so.
func (p *scanner) open(stack *uint64, depth *int) (bool, *Error) {
	c := p.peek()
	switch {
	case c == '{' || c == '[':
		if *depth == MaxDepth {
			return false, fault(ReasonDepth, "", "nested deeper than %d at byte %d; flatten what is not needed", MaxDepth, p.i)
		}
		p.i++
		p.space()
		if next := p.peek(); c == '{' && next == '}' || c == '[' && next == ']' {
			p.i++
			return false, nil
		}
		*depth++
		*stack <<= 1
		if c == '{' {
			*stack |= 1
			_, _, err := p.key()
			return true, err
		}
		return true, nil
	case c == '"':
		_, _, err := p.str()
		return false, err
	case c == '-' || c-'0' <= 9:
		_, err := p.number()
		return false, err
	case p.literal("true"), p.literal("false"), p.literal("null"):
		return false, nil
	}
	return false, p.broken("a value")
}

// next goes from behind a value to the value after it, leaving the containers that end here. It reports
// whether the field's own value has ended.
func (p *scanner) next(stack *uint64, depth *int) (bool, *Error) {
	for *depth > 1 {
		p.space()
		object := *stack&1 == 1
		switch c := p.peek(); {
		case c == ',':
			p.i++
			p.space()
			if !object {
				return false, nil
			}
			_, _, err := p.key()
			return false, err
		case object && c == '}', !object && c == ']':
			p.i++
			*depth--
			*stack >>= 1
		case object:
			return false, p.broken("a comma or }")
		default:
			return false, p.broken("a comma or ]")
		}
	}
	return true, nil
}
