package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/drainwatch/drainwatch/detector/event"
)

// The scalar types of the configuration. Each parses its own text, so that money never passes through a float
// and every refusal says what would be right, and prints itself in a form that it would parse again.

// scalar is a configuration value that parses itself.
type scalar interface {
	parse(text string) error
}

// span is a length of time.
type span time.Duration

func (s *span) parse(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok && err != nil {
		var n int64
		if n, err = strconv.ParseInt(days, 10, 32); err == nil {
			d = time.Duration(n) * 24 * time.Hour
		}
	}
	if err != nil {
		return errors.New("is not a length of time; write a number and a unit, such as 90s, 2m, 24h or 7d")
	}
	*s = span(d)
	return nil
}

// String returns 2m rather than 2m0s.
func (s span) String() string {
	text := time.Duration(s).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalYAML prints the span as it is read.
func (s span) MarshalYAML() (any, error) { return s.String(), nil }

// moment is an instant. The zero value is "not given".
type moment struct{ time.Time }

func (m *moment) parse(text string) error {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return errors.New("is not a time; write RFC 3339 with a zone, such as 2026-06-25T14:00:00Z")
	}
	m.Time = t.UTC()
	return nil
}

// MarshalYAML prints the time as it is read.
func (m moment) MarshalYAML() (any, error) { return m.Time, nil }

// amount is an exact amount of credits.
type amount event.Credits

func (a *amount) parse(text string) error {
	c, err := event.ParseCredits(text)
	if err != nil {
		return errors.New("is not an amount of credits; write a decimal number with at most nine places, such as 1.25")
	}
	*a = amount(c)
	return nil
}

func (a *amount) credits() event.Credits {
	if a == nil {
		return 0
	}
	return event.Credits(*a)
}

// MarshalYAML prints the exact decimal as a YAML number.
func (a amount) MarshalYAML() (any, error) {
	text := event.Credits(a).String()
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return number(text), nil
}

// size is a number of bytes.
type size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

func (s *size) parse(text string) error {
	unit, digits := int64(1), text
	for _, u := range sizeUnits {
		if d, ok := strings.CutSuffix(text, u.name); ok {
			unit, digits = u.bytes, strings.TrimSpace(d)
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return errors.New("is not a number of bytes; write a whole number and a unit, such as 512MiB or 2GiB")
	}
	*s = size(n * unit)
	return nil
}

// MarshalYAML prints the size in the largest binary unit that holds it exactly.
func (s size) MarshalYAML() (any, error) {
	for _, u := range sizeUnits[:3] {
		if n := int64(s); n > 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name, nil
		}
	}
	return int64(s), nil
}

// number returns a node that prints as this number, digit for digit.
func number(text string) *yaml.Node {
	tag := "!!int"
	if strings.ContainsAny(text, ".eE") {
		tag = "!!float"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}
