package event

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/state/statetest"
)

func TestStateKeepsEveryField(t *testing.T) {
	statetest.Kept(t, func(c *state.Coder, s *Sum) { s.Code(c) })
	statetest.Kept(t, func(c *state.Coder, e *Event) { e.Code(c) })
}
