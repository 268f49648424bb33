package cohort

import (
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Cond fixes one dimension to a value.
type Cond struct {
	Dim   event.Dim
	Value string
}

// Where is a conjunction of conditions, ordered by dimension; empty is everybody.
type Where []Cond

// NewWhere returns the conditions in order.
func NewWhere(conds ...Cond) Where {
	w := slices.Clone(Where(conds))
	slices.SortFunc(w, func(a, b Cond) int { return int(a.Dim) - int(b.Dim) })
	return w
}

// Matches says whether values fulfil every condition.
func (w Where) Matches(values *[event.NumDims]string) bool {
	for _, c := range w {
		if values[c.Dim] != c.Value {
			return false
		}
	}
	return true
}

// Value returns what w fixes d to.
func (w Where) Value(d event.Dim) (string, bool) {
	for _, c := range w {
		if c.Dim == d {
			return c.Value, true
		}
	}
	return "", false
}

// Without returns w less its condition on d.
func (w Where) Without(d event.Dim) Where {
	return slices.DeleteFunc(slices.Clone(w), func(c Cond) bool { return c.Dim == d })
}

// Covers says whether everything that fulfils v fulfils w.
func (w Where) Covers(v Where) bool {
	for _, c := range w {
		if x, ok := v.Value(c.Dim); !ok || x != c.Value {
			return false
		}
	}
	return true
}

// Excludes says whether nothing can fulfil both.
func (w Where) Excludes(v Where) bool {
	for _, c := range w {
		if x, ok := v.Value(c.Dim); ok && x != c.Value {
			return true
		}
	}
	return false
}

// Equal says whether both hold the same conditions.
func (w Where) Equal(v Where) bool { return slices.Equal(w, v) }

// Map returns the conditions by name, as records show them.
func (w Where) Map() map[string]string {
	m := make(map[string]string, len(w))
	for _, c := range w {
		m[c.Dim.String()] = c.Value
	}
	return m
}

// String returns the conditions as `plan=pro region=eu-west-1`, and `everybody` for none.
func (w Where) String() string {
	if len(w) == 0 {
		return "everybody"
	}
	parts := make([]string, len(w))
	for i, c := range w {
		parts[i] = c.Dim.String() + "=" + c.Value
	}
	return strings.Join(parts, " ")
}
