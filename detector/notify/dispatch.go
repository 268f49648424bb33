package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Options configure a Dispatcher.
type Options struct {
	Sinks  []Settings
	Routes []Route
	Store  Store     // nil keeps nothing: what is undelivered at the end is lost. Close closes it.
	Out    io.Writer // where sinks of kind stdout write; needed by them
	Mark   string    // TEST or DEMO: shown in front of every notification

	// Fence is asked before each attempt whether this process may still send: where a Store is shared, another may have taken it over
	// meanwhile. Once it says no, nothing more is sent. nil is always. It must return soon, and say yes where it cannot know.
	Fence func(ctx context.Context) bool

	Log        zerolog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // nil is time.Now
	Rand       *rand.Rand       // for jitter; nil is seeded by the system
}

const (
	storePause = 5 * time.Second // before a store that failed is tried again
	closeGrace = 5 * time.Second
)

// Dispatcher takes revisions of incidents and tells the sinks. It is safe for concurrent use.
type Dispatcher struct {
	opts    Options
	log     zerolog.Logger
	metrics *metrics
	names   []string // of all lanes
	lanes   map[string]*lane

	stop   chan struct{}   // closed when the dispatcher closes
	ctx    context.Context // done soon after; sends are cut then
	cancel context.CancelFunc
	work   sync.WaitGroup
	flush  chan struct{}

	mu      sync.Mutex
	rand    *rand.Rand
	upto    map[string]int             // by incident: the revision taken last
	until   int64                      // offset up to which the alerts topic was taken
	dirty   map[string]func() any      // by key: what its value is now; nil removes it
	change  uint64                     // counts what was made dirty
	durable uint64                     // the part of it that the store has
	moved   chan struct{}              // closed and replaced whenever something happened
	serial  int64                      // of entries
	running bool                       // Start was called
	sending bool                       // lanes run
	former  map[string]incident.Record // what fired before this start, for sinks that are new

	troubles     map[string]*trouble // what the program itself suffers from, as the sinks were told
	storeFailing time.Time           // since when the store cannot be written; zero while it can
}

// New opens the sinks and takes up what the store kept. Nothing is sent before Start.
func New(opts Options) (*Dispatcher, error) {
	sinks := map[string]Sink{}
	for _, s := range opts.Sinks {
		sink, err := s.Open(opts.Out)
		if err != nil {
			closeSinks(sinks)
			return nil, err
		}
		sinks[s.Name] = sink
	}
	d, err := newDispatcher(opts, sinks)
	if err != nil {
		closeSinks(sinks)
	}
	return d, err
}

func closeSinks(sinks map[string]Sink) {
	for _, s := range sinks {
		if c, ok := s.(io.Closer); ok {
			_ = c.Close() // idle connections
		}
	}
}

func newDispatcher(opts Options, sinks map[string]Sink) (*Dispatcher, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	d := &Dispatcher{
		opts: opts, log: opts.Log, lanes: map[string]*lane{}, flush: make(chan struct{}, 1), rand: opts.Rand,
		upto: map[string]int{}, dirty: map[string]func() any{}, moved: make(chan struct{}),
		stop: make(chan struct{}), former: map[string]incident.Record{}, troubles: map[string]*trouble{},
	}
	if d.rand == nil {
		d.rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	for _, s := range opts.Sinks {
		d.names = append(d.names, s.Name)
		d.lanes[s.Name] = newLane(d, s, sinks[s.Name])
	}
	d.metrics = newMetrics(opts.Registerer, d)
	if opts.Store != nil {
		if err := d.load(); err != nil {
			d.metrics.unregister()
			d.cancel()
			return nil, err
		}
	}
	return d, nil
}

// Start begins to send.
func (d *Dispatcher) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running {
		return
	}
	d.running = true
	d.introduce()
	for _, l := range d.lanes {
		if !l.known {
			l.known = true
			d.touch("visited/"+l.settings.Name, func() any { return l.settings.Name })
		}
	}
	d.send()
	d.stir()
}

// send has the lanes run. d.mu is held.
func (d *Dispatcher) send() {
	if d.sending {
		return
	}
	d.sending = true
	for _, l := range d.lanes {
		d.work.Go(l.run)
	}
	if d.opts.Store != nil {
		d.work.Go(d.keep)
	}
}

// Close stops sending and closes store and sinks. What is being sent has closeGrace to end; what is undelivered stays in the store.
func (d *Dispatcher) Close() error {
	close(d.stop)
	cut := time.AfterFunc(closeGrace, d.cancel)
	d.work.Wait()
	cut.Stop()
	d.cancel()
	var err error
	if d.opts.Store != nil {
		d.save()
		err = d.opts.Store.Close()
	}
	for _, l := range d.lanes {
		if c, ok := l.sink.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	d.metrics.unregister()
	return err
}

// Offer takes a revision. It does not wait for the store or a sink; a revision that was taken before is dropped, so that
// whatever wrote it down first (the alerts topic) can be read again from anywhere.
func (d *Dispatcher) Offer(r incident.Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Revision <= d.upto[r.Incident] {
		return
	}
	d.take(&r)
	routed := route(d.opts.Routes, d.names, &r)
	for _, name := range d.names {
		l := d.lanes[name]
		// Who was told that it fires is told how it goes on, whatever class it turns out to have.
		if slices.Contains(routed, name) || l.threads[r.Incident] != nil {
			l.offer(&r)
		}
	}
	d.stir()
}

// take notes that a revision was taken. d.mu is held.
func (d *Dispatcher) take(r *incident.Record) {
	id, revision := r.Incident, r.Revision
	d.upto[id] = revision
	d.touch("upto/"+id, func() any { return taken{id, d.upto[id]} })
}

// touch notes that the value of a key has changed. d.mu is held.
func (d *Dispatcher) touch(key string, value func() any) {
	d.change++
	if d.opts.Store == nil {
		return
	}
	d.dirty[key] = value
	select {
	case d.flush <- struct{}{}:
	default:
	}
}

// safe says whether the store has the change of this number. d.mu is held.
func (d *Dispatcher) safe(change uint64) bool { return d.opts.Store == nil || change <= d.durable }

// stir wakes the lanes and whoever waits for something to happen. d.mu is held.
func (d *Dispatcher) stir() {
	close(d.moved)
	d.moved = make(chan struct{})
}

// Retry sends the dead letters of a sink, or of all sinks if name is empty, once more, and switches on what was switched off.
// It returns how many there are.
func (d *Dispatcher) Retry(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, l := range d.lanes {
		if name == "" || name == l.settings.Name {
			n += l.revive()
		}
	}
	d.stir()
	return n
}

// Tried waits until every notification that is due was attempted once, or ctx is done.
func (d *Dispatcher) Tried(ctx context.Context) error {
	return d.await(ctx, func(l *lane) bool { return l.untried() })
}

// Drained says that nothing more will be offered, so that digests are told now, and waits until nothing is undelivered, or ctx is
// done. The error says what is left, and why. Dead letters count.
func (d *Dispatcher) Drained(ctx context.Context) error {
	d.mu.Lock()
	for _, l := range d.lanes {
		l.closeDigests()
	}
	d.stir()
	d.mu.Unlock()
	err := d.await(ctx, func(l *lane) bool { return l.pending() > 0 })
	d.mu.Lock()
	defer d.mu.Unlock()
	var left []string
	for _, name := range d.names {
		if l := d.lanes[name]; l.pending()+len(l.dead) > 0 {
			left = append(left, fmt.Sprintf("sink %s (%s): %d undelivered: %s", name, l.settings.Kind, l.pending()+len(l.dead), l.lastError))
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("deliver alerts: %s; mend the receiver or its settings, and try it with: drainwatch notify test", strings.Join(left, "; "))
	}
	return err
}

func (d *Dispatcher) await(ctx context.Context, busy func(*lane) bool) error {
	for {
		d.mu.Lock()
		moved, any := d.moved, false
		for _, l := range d.lanes {
			any = any || busy(l)
		}
		d.mu.Unlock()
		if !any {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keep writes changes to the store until the dispatcher closes: many at once while they come fast.
func (d *Dispatcher) keep() {
	for {
		select {
		case <-d.stop:
			return
		case <-d.flush:
		}
		if d.save() {
			continue
		}
		t := time.NewTimer(storePause)
		select {
		case <-d.stop:
		case <-t.C:
		}
		t.Stop()
		select {
		case d.flush <- struct{}{}:
		default:
		}
	}
}

// save writes what is dirty. If that fails, sending goes on: whoever waits for a page is not helped by a disk that is full,
// and what was written down before (the alerts topic) is offered again at the next start.
func (d *Dispatcher) save() bool {
	d.mu.Lock()
	dirty, change := d.dirty, d.change
	d.dirty = map[string]func() any{}
	changes := make([]Change, 0, len(dirty))
	// In this order a write that is cut off says too little has been done rather than too much.
	for _, key := range slices.Sorted(maps.Keys(dirty)) {
		changes = append(changes, Change{key, encode(dirty[key]())})
	}
	d.mu.Unlock()
	var err error
	if len(changes) > 0 {
		err = d.opts.Store.Write(changes)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable = change
	d.stir()
	if err == nil {
		d.storeFailing = time.Time{}
		return true
	}
	if d.storeFailing.IsZero() {
		d.storeFailing = d.opts.Now()
	}
	d.metrics.storeFailures.Inc()
	d.log.Error().Err(err).Msg("notify: the outbox cannot be written; alerts are sent, but may be sent again or late after a restart; free the disk")
	for key, value := range dirty {
		if _, newer := d.dirty[key]; !newer {
			d.dirty[key] = value
		}
	}
	return false
}
