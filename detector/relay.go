package detector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/state"
)

// Relay takes signals to the log that engines share.
type Relay interface {
	// Say takes signals in order, to be written after all that it took before of the same partition. It may block while the log is behind.
	Say(ctx context.Context, signals []Signal) error
}

// ErrNotLeading says that another engine decides.
var ErrNotLeading = errors.New("another instance decides on incidents")

// Pause is where a shard closed what was open because there was nothing more to read, which the rows do not tell: whoever reads them
// again has to be told. It is known by the number of its signal and the source offset.
type Pause struct{ Seq, Offset int64 }

// Past is what the log says of one partition from some place on: what its next owner has to know.
type Past struct {
	Partition int32
	Register          // as of the place up to which the log was heard
	Pauses    []Pause // that count
}

// Hear folds the next signal of the log.
func (p *Past) Hear(s *Signal) error {
	heard, err := p.Register.Hear(s)
	if heard == Whole && s.Kind == SignalClosing && s.Idle && s.Partition == p.Partition {
		p.Pauses = append(p.Pauses, Pause{s.Seq, s.Offset})
	}
	return err
}

// Holding is a partition that an engine takes over.
type Holding struct {
	Partition int32
	Claim     Claim
	State     []Part  // what SaveShard returned, with all their Bytes; nil is the state before the first record
	Said      int64   // number of the last signal about it that counts, as of the claim
	Pauses    []Pause // of signals that count, after those that State speaks of

	// Muted is where the shard speaks again if what was said cannot be made again to the number, because the log has lost it: up to this
	// source offset it says nothing. 0 if nothing is lost.
	Muted int64
}

// take makes the shard of a holding, which says what nobody has said yet.
func (h *Holding) take(o *Options, dead func(Record, error), say func(Signal)) (*shard, error) {
	words := lexicon{}
	s, err := newShard(h.Partition, o, o.Partitions, dead, func(c closing) {
		body, fresh := words.encode(&c)
		say(Signal{
			Kind: SignalClosing, Partition: h.Partition, Owner: h.Claim.Owner, Term: h.Claim.Term, Seq: c.seq, Offset: c.offset, Idle: c.idle, Body: body,
			whole: &spoken{c, fresh},
		})
	})
	if err == nil && h.State != nil {
		err = s.restore(h.State)
	}
	if err != nil {
		return nil, err
	}
	if s.said > h.Said {
		return nil, fmt.Errorf("its state speaks of signal %d, and the log ends with %d: another log, or it lost records", s.said, h.Said)
	}
	if s.heard = h.Said; h.Muted > 0 {
		s.said, s.heard, s.muted = h.Said, h.Said, h.Muted
	}
	after := s.said
	if n := len(s.pauses); n > 0 { // the state was taken while a former owner was still making again what others had said
		after = s.pauses[n-1].Seq
	}
	for _, p := range h.Pauses {
		if p.Seq > after {
			s.pauses = append(s.pauses, p)
		}
	}
	return s, nil
}

// Own takes over a partition and returns the source offset to feed from; 0 stands for the first record to be had. What former owners
// have said is made again from there, and left out.
func (e *Engine) Own(h Holding) (next int64, err error) {
	w := &worker{in: make(chan *batch, 8), ask: make(chan func(*shard)), gone: make(chan struct{})}
	w.ctx, w.stop = context.WithCancel(e.ctx)
	w.owner = h.Claim.Owner
	if w.shard, err = h.take(&e.o, e.deadLetter, func(s Signal) { e.relay(w.ctx, s) }); err == nil {
		w.taken = w.health()
		err = e.hold(h.Partition, w)
	}
	if err != nil {
		w.stop()
		return 0, fmt.Errorf("take over partition %d: %w", h.Partition, err)
	}
	return w.offset, nil
}

func (e *Engine) hold(partition int32, w *worker) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shards[partition] != nil {
		return errors.New("this instance holds it already")
	}
	e.shards[partition] = w
	e.workers.Go(func() { defer close(w.gone); e.run(w) })
	return nil
}

// Disown gives a partition up. What its shard had not said yet is left to the next owner.
func (e *Engine) Disown(partition int32) {
	e.mu.Lock()
	w := e.shards[partition]
	delete(e.shards, partition)
	e.mu.Unlock()
	if w != nil {
		w.stop()
		<-w.gone
		e.hand.drop(w.owner)
		e.mu.Lock()
		e.gone.add(w.health(), w.taken)
		e.mu.Unlock()
	}
}

// relay says a signal, unless whoever says it is stopped meanwhile.
func (e *Engine) relay(ctx context.Context, s Signal) {
	e.hand.put(&s)
	if err := e.o.Relay.Say(ctx, s.parts(signalBytes)); err != nil && ctx.Err() == nil {
		e.cancel(fmt.Errorf("say signal %d of partition %d: %w", s.Seq, s.Partition, err))
	}
}

// ShardState is a shard's state after the record before source offset Next and the signal Said.
type ShardState struct {
	Parts      []Part // those that are held, and have not changed, without their Bytes
	Next, Said int64
	Stalled    time.Duration // for how long the shard stood still at most, at once
}

// SaveShard returns a shard's state; held as for Save. The shard hardly stands still. One at a time a partition.
func (e *Engine) SaveShard(ctx context.Context, partition int32, held func(hash string) bool) (ShardState, error) {
	var out ShardState
	w, err := e.worker(partition)
	if err != nil {
		return ShardState{}, fmt.Errorf("save partition %d: %w", partition, err)
	}
	marked := make(chan *marking, 1)
	err = e.inShard(ctx, w, func(s *shard) {
		out.Next, out.Said = s.offset, s.said
		marked <- w.fix(held)
	})
	if err == nil {
		out.Parts, out.Stalled, err = w.collect(ctx, marked)
	}
	if err != nil {
		return ShardState{}, fmt.Errorf("save partition %d: %w", partition, err)
	}
	return out, nil
}

// Lead makes this engine the one that decides: it takes up what SaveFleet returned, nil is the state before the first signal, and
// returns the offset in the log from which it is to Hear. said is the number of the last signal about Everybody as of the claim. torn says
// that the log's beginning is lost, and that this is accepted.
func (e *Engine) Lead(claim Claim, said int64, saved []byte, torn bool) (next int64, err error) {
	all := make([]int32, e.o.Partitions)
	for p := range all {
		all[p] = int32(p)
	}
	l := &leading{claim: claim, said: said, waiting: map[int64]chan struct{}{}}
	f := newFleet(&e.o, all, e.alert)
	var rows []ledger.Row
	if saved != nil {
		var decided []byte
		if err := state.Restore(saved, "leader", leaderLayout, func(c *state.Coder) { codeLeader(c, &l.ear, &rows, &decided) }); err != nil {
			return 0, fmt.Errorf("take over decisions: %w", err)
		}
		if err := f.restore(decided); err != nil {
			return 0, fmt.Errorf("take over decisions: %w", err)
		}
	}
	l.ear.register.Torn = l.ear.register.Torn || torn
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fleetUp {
		return 0, errors.New("take over decisions: this instance decides already")
	}
	e.ledger.Store(&rows)
	e.hand.open(true)
	e.fleet, e.fleetUp, e.leading = f, true, l
	e.fleetEnd = make(chan struct{})
	l.ctx, l.stop = context.WithCancel(e.ctx)
	e.msgs = make(chan message, cap(e.msgs))
	if f.roller != nil {
		f.roller.changed = true
	}
	e.snap()
	e.roll()
	go e.decide(l.ctx, e.msgs, e.fleetEnd)
	return l.ear.next, nil
}

// Unlead has this engine decide no more. What it saw while it did is not shown any longer: whoever decides next sees more.
func (e *Engine) Unlead() {
	e.mu.Lock()
	l, end := e.leading, e.fleetEnd
	e.mu.Unlock()
	if l == nil {
		return
	}
	l.stop()
	<-end
	e.mu.Lock()
	e.fleetUp, e.leading = false, nil
	e.mu.Unlock()
	e.hand.open(false)
	e.rolled.Store(nil)
	e.ledger.Store(nil)
	e.snapshot.Store(&Snapshot{})
	e.metrics.open.Set(0)
}

// Hear takes the next record of the log, whose offset is given. It blocks while decisions are behind, and returns what stopped the engine, if something did.
func (e *Engine) Hear(ctx context.Context, offset int64, record []byte) error {
	var s Signal
	if err := s.Parse(record); err != nil {
		return fmt.Errorf("signals log at offset %d: %w; only instances of this version may write there", offset, err)
	}
	s.whole = e.hand.take(&s)
	_, err := e.tell(ctx, message{signal: &s, offset: offset})
	return err
}

// tell hands a message to the goroutine that decides.
func (e *Engine) tell(ctx context.Context, m message) (*leading, error) {
	e.mu.Lock()
	l, msgs := e.leading, e.msgs
	e.mu.Unlock()
	if l == nil {
		return nil, ErrNotLeading
	}
	select {
	case msgs <- m:
		return l, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-l.ctx.Done():
		return nil, l.why(e)
	}
}

// wait waits for something to be done while this engine decides.
func (l *leading) wait(ctx context.Context, e *Engine, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ctx.Done():
		return l.why(e)
	}
}

// why returns what ended leading.
func (l *leading) why(e *Engine) error {
	if err := context.Cause(e.ctx); err != nil {
		return err
	}
	return ErrNotLeading
}

// FleetState is what is known of incidents after the signal before offset Next of the log.
type FleetState struct {
	State []byte
	Next  int64
	At    int64 // event time up to which ticks are decided
}

// SaveFleet returns the state of what decides. It stands still meanwhile.
func (e *Engine) SaveFleet(ctx context.Context) (FleetState, error) {
	var out FleetState
	err := e.inFleet(ctx, func(f *fleet) {
		rows, decided := e.Ledger(), f.AppendBinary(nil)
		out = FleetState{
			State: state.Append(nil, "leader", leaderLayout, func(c *state.Coder) { codeLeader(c, &e.leading.ear, &rows, &decided) }),
			Next:  e.leading.ear.next, At: f.now,
		}
	})
	if err != nil {
		return FleetState{}, fmt.Errorf("save decisions: %w", err)
	}
	return out, nil
}

// Pass has ticks go on without partitions until they are heard again: nobody has spoken for them for too long.
func (e *Engine) Pass(ctx context.Context, partitions []int32) error {
	partitions = slices.Clone(partitions)
	return e.speak(ctx, SignalPass, state.Append(nil, "pass", signalLayout, func(c *state.Coder) { codePass(c, &partitions) }))
}

// sayBooked says what was booked.
func (e *Engine) sayBooked(ctx context.Context, results map[string]ledger.Result, asOf map[string]incident.Status) error {
	return e.speak(ctx, SignalBooked, state.Append(nil, "booked", signalLayout, func(c *state.Coder) { codeBooked(c, &results, &asOf) }))
}

// speak says something about everybody, and waits until it is heard: from then on it counts.
func (e *Engine) speak(ctx context.Context, kind SignalKind, body []byte) error {
	e.mu.Lock()
	l := e.leading
	e.mu.Unlock()
	if l == nil {
		return ErrNotLeading
	}
	l.speaking.Lock()
	defer l.speaking.Unlock()
	done := make(chan struct{})
	s := Signal{Kind: kind, Partition: Everybody, Owner: l.claim.Owner, Term: l.claim.Term, Seq: l.said + 1, Body: body}
	if err := e.inFleet(ctx, func(*fleet) { l.waiting[s.Seq] = done }); err != nil {
		return err
	}
	if err := e.o.Relay.Say(ctx, s.parts(signalBytes)); err != nil {
		return err
	}
	l.said++
	return l.wait(ctx, e, done)
}

// viewAll fills in what booking needs to know of every shard.
func (e *Engine) viewAll(f *fleet, views map[int32]shardView) error {
	for p, at := range f.parts {
		v, err := e.viewOf(at)
		if err != nil {
			return fmt.Errorf("book partition %d: %w", p, err)
		}
		views[p] = v
	}
	return nil
}
