package detector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/state"
)

// Saved is the state of an engine at a consistent cut: each shard's after the records before its next offset, and the fleet's
// after exactly what the shards had said by then. An engine that is restored from it and fed from those offsets on says what this one
// would have said.
type Saved struct {
	Shards map[int32][]Part // those that are held, and have not changed, without their Bytes
	Next   map[int32]int64  // offset of each partition that is to be read next; 0 before the first record
	Fleet  []byte
	Booked []byte // the ledger's rows, as they were last booked
	At     int64  // event time up to which ticks are decided

	Stalled time.Duration // for how long a shard stood still at most, at once
}

// cut gathers a Saved while the engine goes on. Every shard fixes its state and marks the place among its messages to the fleet. What
// comes after a mark waits until the last shard has marked its own, and then the fleet writes its state.
type cut struct {
	saved Saved
	held  []message
	done  chan struct{}
}

// Save returns the engine's state. Parts of shards need not be written again if they have not changed and held says, of their hashes, that they
// are there; nil says that none is. The fleet stands still from the first mark to the last, a shard hardly. One Save at a time.
func (e *Engine) Save(ctx context.Context, held func(hash string) bool) (*Saved, error) {
	if err := e.start(); err != nil {
		return nil, err
	}
	c := &cut{saved: Saved{Shards: map[int32][]Part{}, Next: map[int32]int64{}}, done: make(chan struct{})}
	marks := map[int32]chan *marking{}
	for _, p := range sortedKeys(e.shards) {
		w, marked := e.shards[p], make(chan *marking, 1)
		marks[p] = marked
		err := e.at(e.ctx, p, func(s *shard) { // not bound to ctx: the fleet waits for every mark once there is one
			marked <- w.fix(held)
			e.send(message{cut: c, closing: closing{partition: s.partition, offset: s.offset}})
		})
		if err != nil {
			return nil, fmt.Errorf("save state: %w", err)
		}
	}
	var group errgroup.Group
	stalled := make([]time.Duration, len(e.shards))
	parts := make([][]Part, len(e.shards))
	for i, p := range sortedKeys(e.shards) {
		w := e.shards[p]
		group.Go(func() (err error) {
			parts[i], stalled[i], err = w.collect(ctx, marks[p])
			return err
		})
	}
	if err := errors.Join(group.Wait(), wait(ctx, e.ctx, c.done)); err != nil {
		return nil, fmt.Errorf("save state: %w", err)
	}
	for i, p := range sortedKeys(e.shards) {
		c.saved.Shards[p], c.saved.Stalled = parts[i], max(c.saved.Stalled, stalled[i])
	}
	return &c.saved, nil
}

// holds says whether a message comes after a mark of the present cut.
func (e *Engine) holds(m *message) bool {
	if e.cut == nil {
		return false
	}
	_, marked := e.cut.saved.Next[m.closing.partition]
	return m.do != nil || marked
}

// mark notes a shard's state. Called in the fleet's goroutine.
func (e *Engine) mark(m *message) {
	e.cut = m.cut
	s := &m.cut.saved
	s.Next[m.closing.partition] = m.closing.offset
	if len(s.Next) < len(e.shards) {
		return
	}
	rows := e.Ledger()
	s.Fleet, s.At = e.fleet.AppendBinary(nil), e.fleet.now
	s.Booked = state.Append(nil, "ledger", bookingLayout, func(c *state.Coder) { codeLedger(c, &rows) })
	e.cut = nil
	close(m.cut.done)
	for i := range m.cut.held {
		e.handle(m.cut.held[i])
	}
}

// Restore takes up what Save returned. It is due after Assign, of the same partitions, and before the first Feed; after an error
// the engine is of no use. The configuration may have changed in everything but for how long ids are remembered.
func (e *Engine) Restore(s *Saved) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fleetUp {
		return errors.New("restore state: the engine is running; restore it before the first row")
	}
	if have, want := slices.Sorted(maps.Keys(s.Shards)), sortedKeys(e.shards); !slices.Equal(have, want) {
		return fmt.Errorf("restore state: it is of partitions %v, and %v are assigned", have, want)
	}
	var group errgroup.Group
	for p, w := range e.shards { // their goroutines have nothing to do yet
		group.Go(func() error {
			if err := w.restore(s.Shards[p]); err != nil {
				return fmt.Errorf("partition %d: %w", p, err)
			}
			if w.offset != s.Next[p] {
				return fmt.Errorf("partition %d: the state goes on from offset %d, and %d was said", p, w.offset, s.Next[p])
			}
			return nil
		})
	}
	f := newFleet(&e.o, sortedKeys(e.shards), e.alert)
	var rows []ledger.Row
	group.Go(func() error { return f.restore(s.Fleet) })
	group.Go(func() error {
		return state.Restore(s.Booked, "ledger", bookingLayout, func(c *state.Coder) { codeLedger(c, &rows) })
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("restore state: %w", err)
	}
	e.ledger.Store(&rows)
	e.fleet = f
	e.fleetUp = true
	if f.roller != nil {
		f.roller.changed = true
	}
	e.snap()
	e.roll()
	go e.decide(e.ctx, e.msgs, e.fleetEnd)
	return nil
}

// Restate says the latest revision of every incident again: whoever was told something else, or nothing, hears of it.
func (e *Engine) Restate(ctx context.Context) error {
	var failed error
	err := e.inFleet(ctx, func(f *fleet) {
		for _, r := range f.records(e.id) {
			failed = errors.Join(failed, e.out.Alert(ctx, r))
		}
	})
	if err != nil {
		return err
	}
	return failed
}

func codeLedger(c *state.Coder, rows *[]ledger.Row) {
	state.Slice(c, rows, func(r *ledger.Row) {
		c.Strings(&r.Incident, &r.User)
		state.Ints(c, &r.Rows)
		r.Charged.Code(c)
		r.Expected.Code(c)
		for _, t := range []*time.Time{&r.FirstAt, &r.LastAt} {
			ns := t.UnixNano()
			if state.Ints(c, &ns); c.Reading() {
				*t = time.Unix(0, ns).UTC()
			}
		}
	})
}
