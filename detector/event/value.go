package event

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mistyped says that the value has another type than the field, unless it is no JSON at all.
func (p *parser) mistyped(f field, want string) *Error {
	found := describe(p.peek())
	if err := p.skip(); err != nil {
		return err
	}
	return fault(ReasonType, f.String(), "is %s; send %s", found, want)
}

func (p *parser) str(f field) (string, *Error) {
	raw, escaped, err := p.scanner.str()
	if !escaped {
		return raw, err
	}
	s, ok := unescape(raw)
	if !ok {
		return "", fault(ReasonUTF8, f.String(), "has half a surrogate pair; send valid Unicode")
	}
	return s, nil
}

func (p *parser) text(f field, dst *string, most int) *Error {
	if p.peek() != '"' {
		return p.mistyped(f, "a string")
	}
	s, ok := p.plain()
	if !ok {
		var err *Error
		if s, err = p.str(f); err != nil {
			return err
		}
	}
	if len(s) > most {
		return fault(ReasonLength, f.String(), "has %d bytes; at most %d are taken", len(s), most)
	}
	*dst = s
	switch f {
	case fID, fUser:
		return identity(f, s)
	case fDims + field(Origin):
		return origin(f, s)
	}
	return nil
}

// identity refuses what cannot name anybody. A NUL ends names early in C, and Postgres and many logs cannot hold it.
func identity(f field, s string) *Error {
	if s == "" {
		return fault(ReasonLength, f.String(), "is empty; send its name")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return fault(ReasonControl, f.String(), "holds a NUL; send it without")
	}
	if c := s[0]; c > ' ' && c < utf8.RuneSelf {
		return nil
	}
	if strings.TrimFunc(s, unicode.IsSpace) == "" {
		return fault(ReasonBlank, f.String(), "is white space; send its name")
	}
	return nil
}

func origin(f field, s string) *Error {
	switch s {
	case "", "user", "tool", "subagent", "background", "auto_review", "compaction", "retry":
		return nil
	}
	return fault(ReasonRange, f.String(), "%s is not one of user, tool, subagent, background, auto_review, compaction, retry or empty", quote(s))
}

func (p *parser) name(f field, names []string) (int, *Error) {
	if p.peek() != '"' {
		return 0, p.mistyped(f, "a string")
	}
	s, err := p.str(f)
	if err != nil {
		return 0, err
	}
	if n := slices.Index(names, s); n >= 0 {
		return n, nil
	}
	return 0, fault(ReasonRange, f.String(), "%s is not one of %s", quote(s), strings.Join(names, ", "))
}

// whole reads an integral number, in any notation, of magnitude up to MaxTokens.
func (p *parser) whole(f field) (int64, *Error) {
	text, err := p.number()
	if err != nil {
		return 0, err
	}
	if n, ok := plainInt(text); ok {
		return n, nil
	}
	d, bad := parseDecimal(text, 0)
	switch {
	case beyondDouble(text):
		return 0, fault(ReasonNumber, f.String(), "%s is more than a double holds; send a plain integer", clip(text))
	case bad == decimalOK && !d.exact:
		return 0, fault(ReasonNumber, f.String(), "%s is not a whole number; send an integer", clip(text))
	case bad != decimalOK || d.hi != 0 || d.lo > MaxTokens:
		return 0, fault(ReasonRange, f.String(), "%s is beyond 2^53-1; check the unit", clip(text))
	case d.neg:
		return -int64(d.lo), nil
	}
	return int64(d.lo), nil
}

// plainInt is the fast path: up to fifteen digits, which cannot exceed MaxTokens.
func plainInt(s string) (n int64, ok bool) {
	if len(s) > 15 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	return n, true
}

func beyondDouble(number string) bool {
	_, err := strconv.ParseFloat(number, 64)
	return errors.Is(err, strconv.ErrRange)
}

func (p *parser) tokens(f field, dst *int64) *Error {
	if c := p.peek(); c != '-' && c-'0' > 9 {
		return p.mistyped(f, "an integer")
	}
	n, err := p.whole(f)
	if err != nil {
		return err
	}
	if n < 0 {
		return fault(ReasonRange, f.String(), "%d is negative; send a count from 0", n)
	}
	*dst = n
	p.e.HasTokens = true
	return nil
}

func (p *parser) time(f field, dst *int64) *Error {
	c := p.peek()
	if c == '"' {
		s, err := p.str(f)
		if err != nil {
			return err
		}
		*dst, err = rfcTime(f, s)
		return err
	}
	if c != '-' && c-'0' > 9 {
		return p.mistyped(f, "RFC 3339 or integer Unix milliseconds")
	}
	ms, err := p.whole(f)
	if err != nil {
		return err
	}
	*dst, err = milliTime(f, ms)
	return err
}

func (p *parser) credits() *Error {
	var text string
	var err *Error
	c := p.peek()
	switch {
	case c == '"':
		text, err = p.str(fCredits)
	case c == '-' || c-'0' <= 9:
		text, err = p.number()
	default:
		return p.mistyped(fCredits, "a number or a decimal string")
	}
	if err != nil {
		return err
	}
	p.e.Credits, err = parseCredits(text)
	if err == nil {
		return nil
	}
	if c != '"' && beyondDouble(text) {
		return fault(ReasonNumber, fCredits.String(), "%s is more than a double holds; check the unit", clip(text))
	}
	err.Field = fCredits.String()
	return err
}

func (p *parser) quota() *Error {
	if c := p.peek(); c != '-' && c-'0' > 9 {
		return p.mistyped(fQuotaUsed, "a number from 0 to 1")
	}
	text, err := p.number()
	if err != nil {
		return err
	}
	v, bad := strconv.ParseFloat(text, 64)
	switch {
	case bad != nil:
		return fault(ReasonNumber, fQuotaUsed.String(), "%s is more than a double holds; send a share from 0 to 1", clip(text))
	case v < 0 || v > 1:
		return fault(ReasonRange, fQuotaUsed.String(), "%s is not from 0 to 1; send a share, not a percentage", clip(text))
	}
	p.e.QuotaUsed, p.e.HasQuota = v, true
	return nil
}
