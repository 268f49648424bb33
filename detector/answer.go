package detector

import (
	"context"
	"errors"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/window"
)

// roll publishes the roll-up: at once when the fleet has nothing else to do, else now and then. Called in the fleet's goroutine.
func (e *Engine) roll() {
	r := e.fleet.roller
	if r == nil || !r.changed {
		return
	}
	if now := e.o.Now(); len(e.msgs) == 0 || now.Sub(e.rolledAt) >= rateEvery {
		e.rolledAt = now
		p := r.publish(e.fleet.now)
		for _, c := range e.fleet.counts {
			p.Rows += c.Rows
		}
		for _, n := range e.fleet.users {
			p.Users += n
		}
		e.rolled.Store(p)
	}
}

// Rollup returns what cohorts did over the last day; nil before the first rows, and without Options.Answers.
func (e *Engine) Rollup() *Rollup { return e.rolled.Load() }

// Usage is what a user drew, for rates and people to read; what is owed is in the ledger.
type Usage = profile.Counts

// UserState is what the shard that owns a user knows of them.
type UserState struct {
	Partition int32
	Values    [event.NumDims]string // of the latest charge
	Profile   profile.View
	Windows   window.Standing
	At        int64 // event time that the shard has read
}

// User asks the shard that owns a user, between two batches; false if no shard knows the user. The fold does not wait for
// whoever asks: give ctx a deadline.
func (e *Engine) User(ctx context.Context, user string) (UserState, bool, error) {
	e.mu.Lock()
	workers := make([]*worker, 0, len(e.shards))
	for _, p := range sortedKeys(e.shards) {
		workers = append(workers, e.shards[p])
	}
	e.mu.Unlock()
	type reply struct {
		state UserState
		found bool
		err   error
	}
	replies := make(chan reply, len(workers))
	for _, w := range workers { // all at once: one that is busy should not keep the one that knows
		go func() {
			var r reply
			r.err = e.question(ctx, w, func(s *shard) { r.state, r.found = s.user(user) })
			replies <- r
		}()
	}
	var failed error
	for range workers {
		switch r := <-replies; {
		case r.found:
			return r.state, true, nil
		case r.err != nil:
			failed = r.err
		}
	}
	return UserState{}, false, failed
}

// errMoved says that a partition has just gone to another instance.
var errMoved = errors.New("the partition has just moved to another instance")

// question has a shard do something that changes nothing. A shard that has stopped is asked in its stead.
func (e *Engine) question(ctx context.Context, w *worker, do func(*shard)) error {
	done := make(chan struct{})
	select {
	case w.ask <- func(s *shard) { do(s); close(done) }:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-w.ctx.Done():
		if e.ctx.Err() == nil {
			return errMoved
		}
		e.workers.Wait()
		do(w.shard)
		return nil
	}
	<-done // it was taken, so it is answered
	return nil
}

// user returns what is known of a user. It changes nothing.
func (s *shard) user(key string) (x UserState, found bool) {
	v, known := s.users.View(key, s.clock.head)
	if !known {
		return x, false
	}
	x = UserState{Partition: s.partition, Profile: v, At: s.clock.head}
	if leaf := x.Profile.Leaf; leaf != nil {
		x.Values = leaf.Values
	}
	x.Windows = s.budgets.Of(xxhash.Sum64String(key), s.clock.head)
	return x, true
}
