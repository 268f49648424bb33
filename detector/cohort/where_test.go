package cohort

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Three dimensions of two values and unknown: few enough to try all 27 rows.
var (
	tried    = []event.Dim{event.Plan, event.Region, event.Meter}
	possible = []string{"", "a", "b"}
)

func drawWhere(t *rapid.T) Where {
	var conds []Cond
	for _, d := range rapid.Permutation(tried).Draw(t, "dims") {
		if v := rapid.SampledFrom([]string{"no", "a", "b"}).Draw(t, "value"); v != "no" {
			conds = append(conds, Cond{d, v})
		}
	}
	return NewWhere(conds...)
}

func everyRow(fn func(*[event.NumDims]string)) {
	for i := range 27 {
		var v [event.NumDims]string
		for k, n := 0, i; k < len(tried); k, n = k+1, n/3 {
			v[tried[k]] = possible[n%3]
		}
		fn(&v)
	}
}

// Covers, Excludes, Equal and Without are what they say about rows, for every row there can be.
func TestWhereAlgebra(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, v := drawWhere(t), drawWhere(t)
		covers, excludes, equal := true, true, true
		everyRow(func(row *[event.NumDims]string) {
			a, b := w.Matches(row), v.Matches(row)
			covers = covers && (a || !b)
			excludes = excludes && !(a && b)
			equal = equal && a == b
		})
		if w.Covers(v) != covers || w.Excludes(v) != excludes || v.Excludes(w) != excludes || w.Equal(v) != equal || (w.String() == v.String()) != equal {
			t.Fatalf("%v and %v: covers %v, excludes %v, equal %v; want %v, %v, %v", w, v, w.Covers(v), w.Excludes(v), w.Equal(v), covers, excludes, equal)
		}
		for _, d := range tried {
			less := w.Without(d)
			if !less.Covers(w) {
				t.Fatalf("%v without %v does not cover it", w, d)
			}
			if _, ok := less.Value(d); ok {
				t.Fatalf("%v without %v is %v", w, d, less)
			}
			if x, ok := w.Value(d); ok && !NewWhere(append(less, Cond{d, x})...).Equal(w) {
				t.Fatalf("%v taken apart at %v is not itself put together", w, d)
			}
		}
		if m := w.Map(); len(m) != len(w) {
			t.Fatalf("%v as a map: %v", w, m)
		}
	})
}

func TestWhereString(t *testing.T) {
	w := NewWhere(Cond{event.Region, "eu-west-1"}, Cond{event.Plan, "pro"})
	if got := w.String(); got != "plan=pro region=eu-west-1" {
		t.Errorf("%q", got)
	}
	if got := Where(nil).String(); got != "everybody" {
		t.Errorf("%q", got)
	}
}
