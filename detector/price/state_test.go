package price

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/state/statetest"
)

func TestStateKeepsEveryField(t *testing.T) {
	statetest.Kept(t, func(c *state.Coder, b *Book) { b.Code(c) }, "Book.byModel", "Book.any", "Book.changes", "Book.frozen")
}
