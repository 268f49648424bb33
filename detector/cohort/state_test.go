package cohort

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/state/statetest"
)

func TestStateKeepsEveryField(t *testing.T) {
	statetest.Kept(t, func(c *state.Coder, l *Leaves) { l.Code(c) })
	statetest.Kept(t, func(c *state.Coder, x *Cell) { x.Code(c) })
	statetest.Kept(t, func(c *state.Coder, w *Where) { w.Code(c) })
	statetest.Kept(t, func(c *state.Coder, s *Store) { s.Code(c) }, "Store.byLeaf", "Store.byValues", "Store.byName")
}
