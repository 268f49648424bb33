package warroom

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of what is asked.
const (
	maxQuery  = 8 << 10 // bytes
	maxBody   = 16 << 10
	maxText   = 4 << 10 // of a note
	maxName   = 128     // of who wrote it
	maxUser   = 256
	maxPage   = 500
	usualPage = 50
)

// params reads the parameters of a request and gathers what is wrong with them.
type params struct {
	values url.Values
	known  []string
	faults []fault
}

func readParams(r *http.Request) (*params, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, newProblem(http.StatusRequestURITooLong, fmt.Sprintf("the query has %d bytes; at most %d are read", len(r.URL.RawQuery), maxQuery))
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newProblem(http.StatusBadRequest, "the query cannot be read: a % or ; in it is not encoded")
	}
	return &params{values: values}, nil
}

func (p *params) refuse(name, format string, args ...any) {
	p.faults = append(p.faults, fault{name, fmt.Sprintf(format, args...)})
}

// one returns a parameter that may be given once.
func (p *params) one(name string) string {
	p.known = append(p.known, name)
	v := p.values[name]
	if len(v) > 1 {
		p.refuse(name, "is given %d times; give it once", len(v))
	}
	if len(v) == 0 {
		return ""
	}
	if !utf8.ValidString(v[0]) {
		p.refuse(name, "is not UTF-8")
		return ""
	}
	return v[0]
}

// choice returns a parameter that must be one of several words, or "".
func (p *params) choice(name string, words []string) string {
	v := p.one(name)
	if v != "" && !slices.Contains(words, v) {
		p.refuse(name, "%s is unknown; use one of %s", quoted(v), strings.Join(words, ", "))
		return ""
	}
	return v
}

// limit returns how many are asked for.
func (p *params) limit(usual, most int) int {
	v := p.one("limit")
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		p.refuse("limit", "%s is out of range; give a number from 1 to %d", quoted(v), most)
		return usual
	}
	return n
}

// moment returns a time: RFC 3339, or a length before now, such as -6h. The zero time is none.
func (p *params) moment(name string, now time.Time) time.Time {
	v := p.one(name)
	if v == "" {
		return time.Time{}
	}
	if d, err := time.ParseDuration(v); err == nil && d <= 0 && d > -366*24*time.Hour {
		return now.Add(d)
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil || t.Year() < 1970 || t.Year() > 2261 {
		p.refuse(name, "%s is no time; write 2026-06-25T14:00:00Z, or -6h for six hours before the newest row", quoted(v))
		return time.Time{}
	}
	return t.UTC()
}

// length returns a stretch of time.
func (p *params) length(name string, usual, unit, most time.Duration) time.Duration {
	v := p.one(name)
	if v == "" {
		return usual
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < unit || d > most || d%unit != 0 {
		p.refuse(name, "%s is out of range; give a multiple of %v up to %v, such as 5m or 1h", quoted(v), unit, most)
		return usual
	}
	return d
}

// cursor returns what a page before said comes next: parts that were packed by nextCursor.
func (p *params) cursor(parts int) []string {
	v := p.one("cursor")
	if v == "" {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(v)
	out := strings.SplitN(string(raw), "\x00", parts)
	if err != nil || len(v) > 1024 || len(out) != parts {
		p.refuse("cursor", "is none of this program's; take next_cursor of the page before, or leave it out")
		return nil
	}
	return out
}

func nextCursor(parts ...string) *string {
	s := base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
	return &s
}

// done returns what is wrong, unknown parameters included.
func (p *params) done() error {
	for _, name := range sortedKeys(p.values) {
		if !slices.Contains(p.known, name) {
			text := "there is no such parameter; this path takes none"
			if len(p.known) > 0 {
				text = "there is no such parameter; use " + strings.Join(p.known, ", ")
			}
			p.refuse(quoted(name), "%s", text)
		}
	}
	if len(p.faults) == 0 {
		return nil
	}
	return badRequest(p.faults)
}

func badRequest(faults []fault) *problem {
	const most = 20
	faults = faults[:min(len(faults), most)]
	b := newProblem(http.StatusBadRequest, faults[0].Name+" "+faults[0].Detail)
	b.Errors = faults
	return b
}

// quoted shows what a caller sent, cut to what a message can hold.
func quoted(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.QuoteToASCII(s)
}
