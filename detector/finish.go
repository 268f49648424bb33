package detector

import (
	"context"
	"errors"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
)

var errClosed = errors.New("the engine is closed")

// Finish says that the input has ended: every tick closes, affected rows are booked, and each incident gets its last
// revision. The engine is closed afterwards.
func (e *Engine) Finish(ctx context.Context) (Summary, error) {
	defer func() { _ = e.Close() }()
	if err := e.start(); err != nil {
		return Summary{}, err
	}
	if err := e.everyShard(ctx, func(s *shard) { s.finish() }); err != nil {
		return Summary{}, err
	}
	if err := e.Book(ctx, true); err != nil {
		return Summary{}, err
	}
	var s Summary
	if err := e.inFleet(ctx, func(f *fleet) { s = e.summary(f) }); err != nil {
		return Summary{}, err
	}
	if err := context.Cause(e.ctx); err != nil {
		return Summary{}, err
	}
	return s, nil
}

// Book reads the affected rows of every incident again, brings users and credits of the incidents up to date, and replaces
// the ledger. final says that the input has ended.
func (e *Engine) Book(ctx context.Context, final bool) error {
	if err := e.start(); err != nil {
		return err
	}
	views := map[int32]shardView{}
	if e.o.Relay == nil {
		if err := e.everyShard(ctx, func(s *shard) { views[s.partition] = s.view() }); err != nil {
			return err
		}
	}
	var claims []ledger.Claim
	var asOf map[string]incident.Status
	var unseen error
	err := e.inFleet(ctx, func(f *fleet) {
		if final {
			f.settleEnds()
		}
		claims, asOf = f.claims(), f.statuses()
		if e.o.Relay != nil {
			unseen = e.viewAll(f, views)
		}
	})
	if err = errors.Join(err, unseen); err != nil {
		return err
	}
	var results map[string]ledger.Result
	if e.hist != nil {
		var err error
		if results, err = e.book(ctx, claims, views); err != nil {
			return err
		}
		var rows []ledger.Row
		for _, id := range sortedKeys(results) {
			rows = append(rows, results[id].Rows...)
		}
		e.ledger.Store(&rows)
	}
	if e.o.Relay != nil {
		return e.sayBooked(ctx, results, asOf)
	}
	return e.inFleet(ctx, func(f *fleet) {
		f.booked(results, asOf, final)
		e.snap()
	})
}

// everyShard does something in each shard's goroutine, one after the other, and waits.
func (e *Engine) everyShard(ctx context.Context, do func(*shard)) error {
	for _, p := range sortedKeys(e.shards) {
		w, err := e.worker(p)
		if err == nil {
			err = e.inShard(ctx, w, do)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inShard does something in a shard's goroutine, after what was fed before, and waits. After an error it is not done.
func (e *Engine) inShard(ctx context.Context, w *worker, do func(*shard)) error {
	t := newTask()
	if err := e.post(ctx, w, func(s *shard) { t.run(func() { do(s) }) }); err != nil {
		return err
	}
	return t.settle(wait(ctx, w.ctx, t.done))
}

// inFleet does something in the fleet's goroutine, after what the shards said before, and waits. After an error it is not done.
func (e *Engine) inFleet(ctx context.Context, do func(*fleet)) error {
	t := newTask()
	m := message{do: func(f *fleet) { t.run(func() { do(f) }) }}
	if e.o.Relay == nil {
		e.send(m)
		return t.settle(wait(ctx, e.ctx, t.done))
	}
	l, err := e.tell(ctx, m)
	if err != nil {
		return err
	}
	return t.settle(l.wait(ctx, e, t.done))
}

// read decodes a partition's rows again; what could not be decoded was said the first time.
func (e *Engine) read(ctx context.Context, partition int32, from, to int64, fn func(*event.Event)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	queue := make(chan *batch, cap(e.jobs)/2)
	var failed error
	go func() {
		defer close(queue)
		b := e.pool.Get().(*batch)
		decode := func() error {
			b.done, b.do = make(chan struct{}), nil
			if err := e.put(ctx, e.ctx, e.jobs, b); err != nil {
				return err
			}
			if err := e.put(ctx, e.ctx, queue, b); err != nil {
				return err
			}
			b = e.pool.Get().(*batch)
			return nil
		}
		failed = e.hist.Read(ctx, partition, from, to, func(r Record) error {
			if b.records = append(b.records, r); len(b.records) < chunk {
				return nil
			}
			return decode()
		})
		if failed == nil && len(b.records) > 0 {
			failed = decode()
		}
	}()
	for b := range queue {
		select {
		case <-b.done:
		case <-e.ctx.Done():
			stop()
			continue // until the reader has gone
		}
		for i := range b.records {
			if b.errs[i] == nil {
				fn(&b.events[i])
			}
		}
		b.records = nil
		e.pool.Put(b)
	}
	return failed
}

// Close stops the engine where it is: nothing more is said.
func (e *Engine) Close() error {
	e.cancel(errClosed)
	e.workers.Wait()
	e.decoders.Wait()
	e.mu.Lock()
	up := e.fleetUp
	e.mu.Unlock()
	if up {
		<-e.fleetEnd
	}
	return nil
}

// Ledger returns the rows that were last booked, by incident, largest overcharge first.
func (e *Engine) Ledger() []ledger.Row {
	if rows := e.ledger.Load(); rows != nil {
		return *rows
	}
	return nil
}

// Incidents returns the latest record of every incident, oldest first.
func (f *fleet) records(id incident.Identity) []incident.Record {
	var out []incident.Record
	for _, l := range f.lives {
		if l.ID != "" && l.silentTo == 0 {
			out = append(out, l.Record(id))
		}
	}
	return out
}
