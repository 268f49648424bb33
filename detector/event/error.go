package event

import (
	"fmt"
	"strconv"
)

// The reasons for which a record is refused. They are stable: dead letters, metrics and dashboards name them.
const (
	ReasonEmpty        = "empty"         // no bytes, or white space only; a tombstone
	ReasonTooLarge     = "too_large"     // more than MaxRecord bytes
	ReasonUTF8         = "utf8"          // bytes or escapes that are no Unicode text
	ReasonJSON         = "json"          // not one well-formed JSON text
	ReasonDepth        = "depth"         // nested deeper than MaxDepth
	ReasonFormat       = "format"        // another format than the native one
	ReasonDuplicateKey = "duplicate_key" // a known field twice
	ReasonMissing      = "missing"       // a required field absent or null
	ReasonType         = "type"          // another JSON type than the field has
	ReasonLength       = "length"        // a string too short or too long
	ReasonBlank        = "blank"         // white space where a name is needed
	ReasonControl      = "control"       // a NUL in an identity
	ReasonNumber       = "number"        // a fraction where a whole number is needed, or more than a double holds
	ReasonRange        = "range"         // a value outside its bounds or its list of names
	ReasonCredits      = "credits"       // an amount that is no decimal, overflows, or has the wrong sign for its kind
	ReasonTime         = "time"          // not an RFC 3339 time
	ReasonTimeUnit     = "time_unit"     // a number of seconds where milliseconds are needed
)

// Reasons returns every reason that Decode may give, so that counters can start at zero.
func Reasons() []string {
	return []string{
		ReasonEmpty, ReasonTooLarge, ReasonUTF8, ReasonJSON, ReasonDepth, ReasonFormat, ReasonDuplicateKey,
		ReasonMissing, ReasonType, ReasonLength, ReasonBlank, ReasonControl, ReasonNumber, ReasonRange,
		ReasonCredits, ReasonTime, ReasonTimeUnit,
	}
}

// Error says why a record was refused. Its text is one line of printable ASCII of bounded length, whatever
// the record held, so it may go to logs, headers and terminals as it is.
type Error struct {
	Reason string // one of the Reason constants
	Field  string // the field's wire name, or empty where the record as a whole is at fault
	Detail string // what is wrong and what to send instead
}

// Error returns "field: detail".
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Detail
	}
	return e.Field + ": " + e.Detail
}

func fault(reason, name, format string, args ...any) *Error {
	return &Error{Reason: reason, Field: name, Detail: fmt.Sprintf(format, args...)}
}

// maxQuote bounds how much of a hostile value an error repeats.
const maxQuote = 40

// quote makes a piece of input safe to print: ASCII only, so that no escape sequence, line break or
// right-to-left override survives, and short.
func quote(s string) string {
	if len(s) > maxQuote {
		return strconv.QuoteToASCII(s[:maxQuote]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// clip shortens a token that is known to be plain ASCII, such as a JSON number.
func clip(s string) string {
	if len(s) > maxQuote {
		return s[:maxQuote] + "..."
	}
	return s
}
