package detector

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
)

// chunk is how many records are decoded and folded as one.
const chunk = 512

// Engine joins the stages in one process: decoders, one shard a partition, the fleet, and booking.
//
// Feed may be called by one goroutine a partition at a time; everything else may be called from anywhere.
type Engine struct {
	o    Options
	id   incident.Identity
	out  Output
	hist History

	ctx    context.Context
	cancel context.CancelCauseFunc
	jobs   chan *batch
	msgs   chan message
	pool   sync.Pool

	mu     sync.Mutex
	shards map[int32]*worker
	deadMu sync.Mutex
	dead   map[string]int64

	fleet     *fleet // of the fleet's goroutine once started
	fleetUp   bool
	workers   sync.WaitGroup // shards
	decoders  sync.WaitGroup
	fleetEnd  chan struct{}
	leading   *leading  // with Options.Relay, while this engine decides
	hand      hand      // alike: what its own shards have said
	gone      Health    // alike: what was counted of partitions that were given up
	ratedAt   time.Time // of the fleet's goroutine
	plannedAt int64     // the same: hour for which the plans' states were published
	snapshot  atomic.Pointer[Snapshot]
	ledger    atomic.Pointer[[]ledger.Row]
	rolled    atomic.Pointer[Rollup]
	rolledAt  time.Time // of the fleet's goroutine
	cut       *cut      // the same: the one that is being made
	metrics   *metrics
}

// message is what the fleet's goroutine takes: a closing, something to do between two, or a shard's mark in a cut.
type message struct {
	closing closing
	do      func(*fleet)
	cut     *cut
	signal  *Signal
	offset  int64 // of the signal in the log
}

// worker is a shard with its goroutine's queue.
type worker struct {
	*shard
	in   chan *batch
	ask  chan func(*shard) // questions, answered between two batches
	ctx  context.Context   // until it is stopped
	stop context.CancelFunc
	gone chan struct{} // its goroutine has ended

	owner string // under which it speaks
	taken Health // what its shard had counted when it was taken over

	marking *marking // its state, while that is written; of its goroutine
}

// batch is a run of records on their way through a decoder to their shard; or, without records, something to do there.
type batch struct {
	records []Record
	events  []event.Event
	errs    []error
	done    chan struct{}
	do      func(*shard)
}

// New returns an engine that says what it finds to out and reads rows again from hist; hist may be nil, then nothing is booked.
func New(o Options, out Output, hist History) (*Engine, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("configure engine: %w", err)
	}
	o.withDefaults()
	if _, err := event.NewDecoder(o.Format); err != nil {
		return nil, fmt.Errorf("configure engine: %w", err)
	}
	e := &Engine{
		o: o, out: out, hist: hist, shards: map[int32]*worker{}, dead: map[string]int64{}, fleetEnd: make(chan struct{}),
		id:   incident.Identity{ConfigVersion: o.ConfigVersion, ProgramVersion: o.ProgramVersion, Runbook: o.Runbook, LinkBase: o.LinkBase},
		jobs: make(chan *batch, 16), msgs: make(chan message, 64),
		metrics: newMetrics(o.Registerer),
	}
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	e.pool.New = func() any {
		return &batch{events: make([]event.Event, chunk), errs: make([]error, chunk)}
	}
	e.snapshot.Store(&Snapshot{})
	n := o.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for range n {
		e.decoders.Go(e.decode)
	}
	return e, nil
}

// Assign declares the partitions. All that will ever be fed must be declared before the first Feed, so that ticks wait for
// each of them.
func (e *Engine) Assign(partitions ...int32) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fleetUp || e.o.Relay != nil {
		return errors.New("assign partitions: the engine is running, or takes them over one by one; declare them before the first row")
	}
	for _, p := range partitions {
		if e.shards[p] != nil {
			continue
		}
		s, err := newShard(p, &e.o, len(partitions), e.deadLetter, func(c closing) {
			e.send(message{closing: c})
		})
		if err != nil {
			return fmt.Errorf("assign partition %d: %w", p, err)
		}
		w := &worker{shard: s, in: make(chan *batch, 8), ask: make(chan func(*shard)), ctx: e.ctx}
		e.shards[p] = w
		e.workers.Go(func() { e.run(w) })
	}
	return nil
}

// start makes the fleet once every partition is declared.
func (e *Engine) start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fleetUp || e.o.Relay != nil {
		return nil
	}
	if len(e.shards) == 0 {
		return errors.New("feed rows: no partition is assigned")
	}
	e.fleet = newFleet(&e.o, sortedKeys(e.shards), e.alert)
	e.fleetUp = true
	go e.decide(e.ctx, e.msgs, e.fleetEnd)
	return nil
}

// Feed takes the next records of a partition, in order, and owns them. It blocks while the engine is behind, and returns the
// error that stopped the engine, if one did.
func (e *Engine) Feed(ctx context.Context, partition int32, records []Record) error {
	w, err := e.worker(partition)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(records, chunk) {
		b := e.pool.Get().(*batch)
		b.records, b.done, b.do = part, make(chan struct{}), nil
		if err := e.put(ctx, w.ctx, e.jobs, b); err != nil {
			return err
		}
		if err := e.put(ctx, w.ctx, w.in, b); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) worker(partition int32) (*worker, error) {
	if err := e.start(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	w := e.shards[partition]
	e.mu.Unlock()
	if w == nil {
		return nil, fmt.Errorf("feed partition %d: it was not assigned", partition)
	}
	return w, nil
}

// put hands on a batch unless whoever asks, or whoever takes it, stops.
func (e *Engine) put(ctx, taker context.Context, to chan *batch, b *batch) error {
	if err := context.Cause(taker); err != nil {
		return err
	}
	select {
	case to <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-taker.Done():
		return context.Cause(taker)
	}
}

// Idle says that a partition is caught up: ticks do not wait for it until it is fed again.
func (e *Engine) Idle(partition int32) error {
	return e.at(e.ctx, partition, func(s *shard) { s.idle() })
}

// at does something in a shard's goroutine, after what was fed before.
func (e *Engine) at(ctx context.Context, partition int32, do func(*shard)) error {
	w, err := e.worker(partition)
	if err != nil {
		return err
	}
	return e.post(ctx, w, do)
}

func (e *Engine) post(ctx context.Context, w *worker, do func(*shard)) error {
	done := make(chan struct{})
	close(done)
	return e.put(ctx, w.ctx, w.in, &batch{done: done, do: do})
}

// decode is a decoder's goroutine.
func (e *Engine) decode() {
	d, err := event.NewDecoder(e.o.Format)
	if err != nil {
		e.cancel(err)
		return
	}
	for {
		select {
		case b := <-e.jobs:
			for i := range b.records {
				b.errs[i] = d.Decode(b.records[i].Value, &b.events[i])
			}
			close(b.done)
		case <-e.ctx.Done():
			return
		}
	}
}

// run is a shard's goroutine.
func (e *Engine) run(w *worker) {
	for {
		select {
		case <-w.writes():
		case b := <-w.in:
			select {
			case <-b.done:
			case <-w.ctx.Done():
				return
			}
			if b.do != nil {
				b.do(w.shard)
				break
			}
			for i := range b.records {
				w.fold(b.records[i], &b.events[i], b.errs[i])
			}
			e.metrics.rows.Add(float64(len(b.records)))
			b.records = nil
			e.pool.Put(b)
		case do := <-w.ask:
			do(w.shard)
		case <-w.ctx.Done():
			return
		}
		w.write()
	}
}

func (e *Engine) send(m message) {
	select {
	case e.msgs <- m:
	case <-e.ctx.Done():
	}
}

// decide is the fleet's goroutine.
func (e *Engine) decide(ctx context.Context, msgs <-chan message, end chan<- struct{}) {
	defer close(end)
	for {
		select {
		case m := <-msgs:
			e.handle(m)
		case <-ctx.Done():
			return
		}
	}
}

func (e *Engine) handle(m message) {
	switch {
	case e.holds(&m):
		e.cut.held = append(e.cut.held, m)
		return
	case m.cut != nil:
		e.mark(&m)
		return
	case m.do != nil:
		m.do(e.fleet)
	default:
		before := e.fleet.now
		if m.signal == nil {
			e.fleet.take(m.closing)
		} else if err := e.leading.ear.hear(e.fleet, m.offset, m.signal); err != nil {
			e.cancel(fmt.Errorf("signals log at offset %d: %w", m.offset, err))
		} else if e.leading.heard() {
			e.snap()
		}
		if e.o.LiveView && e.fleet.now != before {
			e.snap()
		}
	}
	e.roll()
}

func (e *Engine) alert(l *live, why []incident.Reason) {
	r := l.Record(e.id)
	e.metrics.alerts.WithLabelValues(r.Class, r.Cause, string(r.Severity), string(r.Status)).Inc()
	if err := e.out.Alert(e.ctx, r); err != nil {
		e.cancel(fmt.Errorf("write alert %s revision %d: %w", r.Incident, r.Revision, err))
	}
	e.o.Log.Debug().Str("incident", r.Incident).Int("revision", r.Revision).Interface("why", why).Msg("revision")
}

func (e *Engine) deadLetter(r Record, err error) {
	d := DeadLetter{Record: r, Reason: "unreadable", Detail: err.Error()}
	if bad, ok := errors.AsType[*event.Error](err); ok {
		d.Reason = bad.Reason
	}
	e.deadMu.Lock()
	defer e.deadMu.Unlock()
	e.dead[d.Reason]++
	e.metrics.dead.WithLabelValues(d.Reason).Inc()
	if err := e.out.DeadLetter(e.ctx, d); err != nil {
		e.cancel(fmt.Errorf("write dead letter of partition %d offset %d: %w", r.Partition, r.Offset, err))
	}
}
