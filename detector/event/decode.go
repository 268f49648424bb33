package event

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// Bounds of a record. Lengths are in bytes, after escapes are resolved.
const (
	MaxRecord = 1 << 20   // the whole record
	MaxDepth  = 64        // nesting, the record itself counted
	MaxID     = 128       // id
	MaxUser   = 256       // user
	MaxDim    = 128       // a dimension, and reason
	MaxText   = 1024      // any other string
	MaxTokens = 1<<53 - 1 // a token count: the greatest that every JSON library keeps exact (RFC 7493, section 2.2)
)

// Formats that ingest.format may name. Only the native one is read yet.
const (
	FormatAuto   = "auto"   // the native form; a record of another known format is refused by that name
	FormatNative = "native" // the native form, and nothing is guessed about what breaks it
)

var foreignFormats = []string{"cloudevents", "otel", "litellm", "openai", "anthropic"}

// Decoder reads records of one format. It holds no state between records, so any number of goroutines may
// share one.
type Decoder struct {
	auto bool
}

// NewDecoder returns a decoder for a format; the empty name means auto.
func NewDecoder(format string) (*Decoder, error) {
	switch {
	case format == FormatAuto || format == "":
		return &Decoder{auto: true}, nil
	case format == FormatNative:
		return &Decoder{}, nil
	case slices.Contains(foreignFormats, format):
		return nil, fmt.Errorf("format %q: no adapter yet; convert the records to the native form and use native or auto", format)
	}
	return nil, fmt.Errorf("format %s is unknown; use auto or native", quote(format))
}

// Decode reads one record into e, whatever e held before. The strings of e are parts of line wherever they hold
// no escapes. An error is always an *Error and leaves e zero.
func (d *Decoder) Decode(line string, e *Event) error {
	*e = Event{}
	err := decode(line, e)
	if err == nil {
		return nil
	}
	*e = Event{}
	if d.auto {
		if name := foreign(line); name != "" {
			err = fault(ReasonFormat, "", "no adapter for %s yet; convert the record to the native form", name)
		}
	}
	return err
}

// decode reads line into a zero e. The first fault in the order of the text is the one reported; what
// concerns several fields comes last.
func decode(line string, e *Event) *Error {
	if len(line) > MaxRecord {
		return fault(ReasonTooLarge, "", "record has %d bytes; at most %d are read", len(line), MaxRecord)
	}
	if !utf8.ValidString(line) {
		return fault(ReasonUTF8, "", "record is not UTF-8 at byte %d; send UTF-8", invalidAt(line))
	}
	p := parser{scanner: scanner{s: line}, e: e}
	p.space()
	switch c := p.peek(); {
	case p.i == len(line):
		return fault(ReasonEmpty, "", "record is empty; a tombstone carries no charge")
	case c == '{':
	case describe(c) != "":
		return fault(ReasonType, "", "record is %s; send one JSON object a record", describe(c))
	default:
		return p.broken("an object")
	}
	if err := p.object(); err != nil {
		return err
	}
	p.space()
	if p.i < len(line) {
		return p.broken("the end of the record")
	}
	return p.check()
}

func invalidAt(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}

// describe names the JSON type that begins with c, or returns nothing if none does.
func describe(c byte) string {
	switch {
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c == '-' || c-'0' <= 9:
		return "a number"
	}
	return ""
}

// parser fills an event from an object.
type parser struct {
	scanner
	e    *Event
	seen uint64 // fields whose key came, by bit
	have uint64 // those of them with a value other than null
}

func (p *parser) object() *Error {
	p.i++
	p.space()
	if p.peek() == '}' {
		p.i++
		return nil
	}
	for {
		if err := p.member(); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
			p.space()
		case '}':
			p.i++
			return nil
		default:
			return p.broken("a comma or }")
		}
	}
}

// member reads one key with its value. Unknown ones are skipped; a known one that comes twice is refused,
// since two readers would disagree about which of the amounts counts.
func (p *parser) member() *Error {
	key, escaped, err := p.key()
	if err != nil {
		return err
	}
	if escaped {
		key, _ = unescape(key) // a key with a lone surrogate is no known one
	}
	f := fieldOf(key)
	if f == fUnknown {
		return p.skip()
	}
	if p.seen&(1<<f) != 0 {
		return fault(ReasonDuplicateKey, f.String(), "comes twice; send each field once")
	}
	p.seen |= 1 << f
	if p.peek() == 'n' && p.literal("null") {
		return nil
	}
	p.have |= 1 << f
	return p.value(f)
}

func (p *parser) value(f field) *Error {
	e := p.e
	if dst, most := e.text(f); dst != nil {
		return p.text(f, dst, most)
	}
	if dst := e.tokens(f); dst != nil {
		return p.tokens(f, dst)
	}
	switch f {
	case fTime:
		return p.time(f, &e.Time)
	case fAccountCreated:
		return p.time(f, &e.AccountCreated)
	case fQuotaResets:
		return p.time(f, &e.QuotaResets)
	case fCredits:
		return p.credits()
	case fQuotaUsed:
		return p.quota()
	case fKind:
		n, err := p.name(f, kindNames[:])
		e.Kind = Kind(n)
		return err
	}
	n, err := p.name(fStatus, statusNames[:])
	e.Status = Status(n)
	return err
}

// check applies the rules that concern several fields, and the defaults.
func (p *parser) check() *Error {
	for _, f := range [...]field{fID, fTime, fUser, fCredits} {
		if p.have&(1<<f) == 0 {
			return fault(ReasonMissing, f.String(), "is required and absent or null")
		}
	}
	e := p.e
	if e.RequestID == "" {
		e.RequestID = e.ID
	}
	switch {
	case e.Cached > e.Input:
		return partTooLarge(fCached, e.Cached, fInput, e.Input)
	case e.CacheWrite > e.Input:
		return partTooLarge(fCacheWrite, e.CacheWrite, fInput, e.Input)
	case e.Reasoning > e.Output:
		return partTooLarge(fReasoning, e.Reasoning, fOutput, e.Output)
	case e.Credits < 0 && e.Kind != Refund && e.Kind != Adjustment:
		return fault(ReasonCredits, fCredits.String(), "%s is negative for kind %s; only a refund or an adjustment may be", e.Credits, e.Kind)
	case e.Credits != 0 && e.Kind == Reset:
		return fault(ReasonCredits, fCredits.String(), "%s for a reset, which moves no money; send 0, and a refund beside it", e.Credits)
	}
	return nil
}

func partTooLarge(part field, n int64, whole field, of int64) *Error {
	return fault(ReasonRange, part.String(), "%d exceeds %s, %d, of which it is a part", n, whole, of)
}
