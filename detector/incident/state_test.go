package incident

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/state/statetest"
)

func TestStateKeepsEveryField(t *testing.T) {
	statetest.Kept(t, func(c *state.Coder, i *Incident) { i.Code(c) })
}
