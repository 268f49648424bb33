package statetest

import (
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/state"
)

type inner struct{ a, b int }

type outer struct {
	x, y   inner
	list   []inner
	byName map[string]*inner
	cache  map[int]int //nolint:unused // derived
	flag   bool
}

// Every way to forget a field is found: in the structure itself, in what it holds twice, in entries, and as a key.
func TestLostFieldsAreFound(t *testing.T) {
	ints := func(c *state.Coder, x *inner) { state.Ints(c, &x.a, &x.b) }
	list := func(c *state.Coder, o *outer) { state.Slice(c, &o.list, func(x *inner) { ints(c, x) }) }
	byName := func(c *state.Coder, o *outer) {
		state.Map(c, &o.byName, c.String, func(p **inner) { state.Opt(c, p, func(x *inner) { ints(c, x) }) })
	}
	tests := []struct {
		name string
		code func(*state.Coder, *outer)
		want []string
	}{
		{"all is kept", func(c *state.Coder, o *outer) {
			ints(c, &o.x)
			ints(c, &o.y)
			list(c, o)
			byName(c, o)
			c.Bools(&o.flag)
		}, nil},
		{"a field", func(c *state.Coder, o *outer) {
			ints(c, &o.x)
			ints(c, &o.y)
			list(c, o)
			byName(c, o)
		}, []string{"outer.flag"}},
		{"the second of two alike", func(c *state.Coder, o *outer) {
			ints(c, &o.x)
			list(c, o)
			byName(c, o)
			c.Bools(&o.flag)
		}, []string{"outer.y"}},
		{"within, and a list", func(c *state.Coder, o *outer) {
			state.Ints(c, &o.x.a, &o.y.a)
			byName(c, o)
			c.Bools(&o.flag)
		}, []string{"inner.b", "outer.list"}},
		{"a map", func(c *state.Coder, o *outer) {
			ints(c, &o.x)
			ints(c, &o.y)
			list(c, o)
			c.Bools(&o.flag)
		}, []string{"outer.byName"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lost, unknown := compare(func() *outer { return new(outer) }, tt.code, []string{"outer.cache", "outer.gone"})
			if !slices.Equal(lost, tt.want) || !slices.Equal(unknown, []string{"outer.gone"}) {
				t.Errorf("lost %v, want %v; unknown %v", lost, tt.want, unknown)
			}
		})
	}
}
