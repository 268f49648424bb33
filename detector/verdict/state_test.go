package verdict

import (
	"reflect"
	"testing"

	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/state/statetest"
)

func TestStateKeepsEveryField(t *testing.T) {
	statetest.Kept(t, func(c *state.Coder, p *Period) { p.Code(c) })
	statetest.Kept(t, func(c *state.Coder, x *Cause) { x.Code(c) })
	statetest.Kept(t, func(c *state.Coder, v *Verdict) { v.Code(c) })
	statetest.Kept(t, func(c *state.Coder, p *Portion) { p.code(c) })
}

// A blend comes back as it was, in any order; what claims to be one and is not in order is none.
func TestStateKeepsBlends(t *testing.T) {
	put := func(b Blend) []byte {
		return state.Append(nil, "blend", 1, func(c *state.Coder) { b.Code(c) })
	}
	_, b := world([]drew{{"pro", "mini", many, 0.1, 0.5}, {"free", "mini", many, 0.2, 0.5}, {"free", "flagship", many, 0.2, 0.5}}, tariffs)
	for _, want := range []Blend{nil, b} {
		var got Blend
		if err := state.Restore(put(want), "blend", 1, func(c *state.Coder) { got.Code(c) }); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v came back as %v, %v", want, got, err)
		}
	}
	for _, list := range [][]Sort{{{"pro", "mini"}, {"abc", "mini"}}, {{"pro", "mini"}, {"pro", "mini"}}, {{"pro", "mini"}, {"pro", "nano"}}} {
		bytes := state.Append(nil, "blend", 1, func(c *state.Coder) {
			state.Slice(c, &list, func(s *Sort) {
				c.Strings(&s.Plan, &s.Model)
				p := new(Portion)
				state.Opt(c, &p, func(p *Portion) { p.code(c) })
			})
		})
		var got Blend
		if err := state.Restore(bytes, "blend", 1, func(c *state.Coder) { got.Code(c) }); (err == nil) != (list[1].Model == "nano") {
			t.Errorf("%v came back as %v, %v", list, got, err)
		}
	}
}
