package verdict

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/state/statetest"
)

func TestStateKeepsEveryField(t *testing.T) {
	statetest.Kept(t, func(c *state.Coder, p *Period) { p.Code(c) })
	statetest.Kept(t, func(c *state.Coder, x *Cause) { x.Code(c) })
	statetest.Kept(t, func(c *state.Coder, v *Verdict) { v.Code(c) })
}
