package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/notify"
	"github.com/drainwatch/drainwatch/detector/stream"
)

const (
	// What a log that does not answer may hold up an attempt, and for how long it is not asked again then: whoever waits for a page is not
	// helped by a broker that is away.
	fenceWait  = 2 * time.Second
	fencePause = 10 * time.Second

	maxClaims = 10_000 // made in a row to be ahead of an outbox
)

// delivering reads the alerts topic for the one instance that tells the sinks: the member of a group of its own to which Kafka gives the
// topic's only partition. What it has taken and told is in the outbox, a topic that the next instance takes over. It implements
// stream.Handler.
type delivering struct {
	*service
	out io.Writer // for sinks of kind stdout

	mu       sync.Mutex
	claim    detector.Claim
	notifier *notify.Dispatcher // nil while another instance delivers
	outbox   *notify.Topic
	end      int64 // of the alerts topic when it was given: up to there a former instance may have delivered
	started  bool
	unheard  time.Time // when the signals log did not answer last
}

// outboxTopic is where the outbox is.
func (c *Config) outboxTopic() string { return c.Topics.Prefix + "internal.outbox" }

// Assigned implements stream.Handler.
func (d *delivering) Assigned(ctx context.Context, a stream.Assignment) (int64, error) {
	outbox, err := notify.OpenTopic(ctx, d.client, d.conf.outboxTopic())
	if err != nil {
		return 0, err
	}
	claim, err := d.sharing.claim(ctx, detector.Deliverer)
	for err == nil && claim.Term <= outbox.Term() { // the log has lost the claims before
		if outbox.Term()-claim.Term > maxClaims {
			return 0, d.refuse("delete the topic to start without what it holds", "%s is of holder %d, and the log in %s knows of %d", d.conf.outboxTopic(), outbox.Term(), d.sharing.topic, claim.Term)
		}
		claim, err = d.sharing.claim(ctx, detector.Deliverer)
	}
	if err != nil {
		return 0, err
	}
	if err := outbox.Take(ctx, claim.Term); err != nil {
		return 0, err
	}
	n, err := d.conf.notifier(d.log, d.registry, d.out, ofIncidents, notify.Options{Store: outbox, Fence: d.mine})
	if err != nil {
		return 0, err
	}
	from := n.From()
	end, err := d.client.EndFor(ctx, d.topic("alerts"), a, from)
	if err == nil && from > end {
		err = d.refuse(afresh, "alerts were delivered up to offset %d of %s, which ends at %d: the topic was truncated or made anew", from, d.topic("alerts"), end)
	}
	if err != nil {
		_ = n.Close()
		return 0, err
	}
	d.mu.Lock()
	d.claim, d.notifier, d.outbox, d.end, d.started = claim, n, outbox, a.End, false
	d.mu.Unlock()
	d.log.Info().Int64("next", from).Int64("end", a.End).Msg("run: this instance delivers alerts")
	d.start(from)
	return max(from, a.Start), nil
}

// start begins to send once all that was written before has been taken.
func (d *delivering) start(next int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.started && next >= d.end {
		d.started = true
		d.notifier.Start()
	}
}

// Records implements stream.Handler.
func (d *delivering) Records(_ context.Context, _ int32, records []detector.Record) error {
	if d.superseded() {
		return stream.ErrReassign
	}
	d.mu.Lock()
	n, started := d.notifier, d.started
	d.mu.Unlock()
	for i := range records {
		var r incident.Record
		next := records[i].Offset + 1
		switch err := json.Unmarshal([]byte(records[i].Value), &r); {
		case err != nil || r.Incident == "":
			d.log.Error().Int64("offset", records[i].Offset).Msg("run: the alerts topic holds a record that is no alert; it is not delivered, and only this program may write there")
		case started:
			n.Offer(r)
		default:
			n.Former(r)
		}
		n.Reached(next)
		if !started && next >= d.end {
			d.start(next)
			started = true
		}
	}
	return nil
}

// Idle implements stream.Handler.
func (d *delivering) Idle(_ context.Context, _ int32, head int64) error {
	if d.superseded() {
		return stream.ErrReassign
	}
	d.start(max(head, d.end))
	return nil
}

// Revoked implements stream.Handler.
func (d *delivering) Revoked(int32) {
	d.mu.Lock()
	n := d.notifier
	d.claim, d.notifier, d.outbox = detector.Claim{}, nil, nil
	d.mu.Unlock()
	if n == nil {
		return
	}
	if err := n.Close(); err != nil {
		d.log.Error().Err(err).Msg("run: the outbox could not be left in order; alerts may be sent again")
	}
}

// superseded says whether another instance has claimed to deliver since.
func (d *delivering) superseded() bool {
	d.mu.Lock()
	claim := d.claim
	d.mu.Unlock()
	return d.sharing.of(detector.Deliverer).Term > claim.Term
}

// mine says whether this instance may still send. A process that was frozen, or its connection, knows no better than to ask.
func (d *delivering) mine(ctx context.Context) bool {
	d.mu.Lock()
	ask := time.Since(d.unheard) > fencePause
	d.mu.Unlock()
	if ask {
		wait, cancel := context.WithTimeout(ctx, fenceWait)
		defer cancel()
		if err := d.sharing.catchUp(wait); err != nil {
			d.log.Warn().Err(err).Msg("run: cannot ask who delivers, so alerts are sent, perhaps twice")
			d.mu.Lock()
			d.unheard = time.Now()
			d.mu.Unlock()
		}
	}
	return !d.superseded()
}

// states returns how the sinks do, and for how long the outbox cannot be written.
func (d *delivering) states() ([]notify.SinkState, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.notifier == nil {
		return nil, 0
	}
	return d.notifier.SinkStates()
}

// retry sends dead letters again when notify retry asks for it.
func (d *delivering) retry(ctx context.Context) {
	d.mu.Lock()
	n, outbox := d.notifier, d.outbox
	d.mu.Unlock()
	if n == nil {
		return
	}
	names, err := outbox.Asked(ctx)
	if err != nil && ctx.Err() == nil {
		d.log.Warn().Err(err).Msg("notify: a request to retry dead letters cannot be read")
	}
	for _, name := range names {
		d.log.Info().Str("sink", name).Int("dead_letters", n.Retry(name)).Msg("notify: dead letters are sent again")
	}
}

// deliver reads alerts and tells the sinks until ctx is done.
func (d *delivering) deliver(ctx context.Context) error {
	c, err := d.client.Consumer(d.topic("alerts"), d.conf.Ingest.Group+".delivering", d)
	if err != nil {
		return usageError{fmt.Errorf("deliver alerts: %w", err)}
	}
	asking, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { every(asking, retryEvery, func(time.Time) { d.retry(asking) }) })
	defer beside.Wait()
	defer stop()
	return c.Run(ctx)
}
