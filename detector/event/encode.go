package event

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the native form of e on one line, without a line break. Fields that are empty or have
// their default are left out, except that a row with tokens carries input_tokens and output_tokens even when they
// are zero. Decoding what it appends gives e again, provided that e keeps the rules of the form; an event
// that breaks one yields a record that Decode refuses for that reason. Bytes that are no UTF-8 become U+FFFD.
func (e *Event) AppendJSON(dst []byte) []byte {
	o := object{append(dst, '{')}
	o.text(fID, e.ID)
	o.time(fTime, e.Time)
	o.text(fUser, e.User)
	if e.RequestID != e.ID {
		o.text(fRequestID, e.RequestID)
	}
	if e.Kind != Usage {
		o.text(fKind, e.Kind.String())
	}
	if e.Status != OK {
		o.text(fStatus, e.Status.String())
	}
	o.credits(e.Credits)
	for f := fInput; f <= fReasoning; f++ {
		n := *e.tokens(f)
		if n != 0 || e.HasTokens && (f == fInput || f == fOutput) {
			o.key(f)
			o.b = strconv.AppendInt(o.b, n, 10)
		}
	}
	for d, s := range e.Dims {
		o.text(fDims+field(d), s)
	}
	for f := fTurnID; f <= fAPIKey; f++ {
		s, _ := e.text(f)
		o.text(f, *s)
	}
	o.time(fAccountCreated, e.AccountCreated)
	if e.HasQuota {
		o.key(fQuotaUsed)
		o.b = strconv.AppendFloat(o.b, e.QuotaUsed, 'g', -1, 64)
	}
	o.time(fQuotaResets, e.QuotaResets)
	return append(o.b, '}')
}

// object appends members to the object that b ends with.
type object struct{ b []byte }

func (o *object) key(f field) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, f.String()...)
	o.b = append(o.b, '"', ':')
}

func (o *object) text(f field, s string) {
	if s != "" {
		o.key(f)
		o.b = appendQuoted(o.b, s)
	}
}

func (o *object) time(f field, nano int64) {
	if nano != 0 {
		o.key(f)
		o.b = append(o.b, '"')
		o.b = time.Unix(0, nano).UTC().AppendFormat(o.b, time.RFC3339Nano)
		o.b = append(o.b, '"')
	}
}

// credits appends a number while a double holds it to the last digit, which is up to 2^53 units, nine million
// credits, and a decimal string beyond, so that no other reader of the row gets another amount.
func (o *object) credits(c Credits) {
	o.key(fCredits)
	if c <= MaxTokens && c >= -MaxTokens {
		o.b = c.appendShort(o.b)
		return
	}
	o.b = append(o.b, '"')
	o.b = c.appendShort(o.b)
	o.b = append(o.b, '"')
}

// appendQuoted appends s as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + n
			}
			i += n
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			dst = append(dst, s[start:i]...)
			start = i + 1
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\t':
				dst = append(dst, '\\', 't')
			case '\r':
				dst = append(dst, '\\', 'r')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
		i++
	}
	return append(append(dst, s[start:]...), '"')
}
