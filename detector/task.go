package detector

import (
	"context"
	"sync/atomic"
)

// task is what one goroutine asks another to do: it is done, or given up, never both. So whoever gives up may go on with what it would have
// written, and nothing is made for nobody.
type task struct {
	taken atomic.Bool
	done  chan struct{}
}

func newTask() *task { return &task{done: make(chan struct{})} }

// run does it, unless it was given up.
func (t *task) run(do func()) {
	if t.taken.CompareAndSwap(false, true) {
		do()
		close(t.done)
	}
}

// settle ends waiting, which err ended if it is not nil: then the task is given up, but for one that has begun.
func (t *task) settle(err error) error {
	if err != nil && t.taken.CompareAndSwap(false, true) {
		return err
	}
	<-t.done
	return nil
}

// wait waits for something to be done, unless whoever waits, or whoever does it, stops.
func wait(ctx, taker context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-taker.Done():
		return context.Cause(taker)
	}
}
