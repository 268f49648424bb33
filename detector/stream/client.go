package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Options configure a Client. Everything but Config.Brokers may be left zero.
type Options struct {
	Config
	Log        zerolog.Logger
	Registerer prometheus.Registerer

	FetchBytes     int32         // of one fetch of one partition; default 1 MiB
	FetchWait      time.Duration // how long a broker waits for a record; default 500 ms
	Patience       time.Duration // how long an answer may take, besides what the broker is told to wait, until the connection is taken for dead; default 10 s
	SessionTimeout time.Duration // after which a silent member loses its partitions; default 30 s
	Heartbeat      time.Duration // default a tenth of SessionTimeout
	Rebalance      time.Duration // how long members may take to give up partitions; default 30 s
	WatchInterval  time.Duration // how often the partition count is looked at; default 5 s
}

func (o *Options) withDefaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if o.ClientID == "" {
		o.ClientID = DefaultClientID
	}
	if o.FetchBytes == 0 {
		o.FetchBytes = 1 << 20
	}
	set(&o.FetchWait, 500*time.Millisecond)
	set(&o.Patience, 10*time.Second)
	set(&o.SessionTimeout, 30*time.Second)
	set(&o.Heartbeat, o.SessionTimeout/10)
	set(&o.Rebalance, 30*time.Second)
	set(&o.WatchInterval, 5*time.Second)
}

// Client reaches one cluster. It connects when it is first asked something; Close ends its connections.
type Client struct {
	opts    Options
	dialer  *dialer
	metrics *metrics
	log     zerolog.Logger // as given
	noise   zerolog.Logger // for what repeats while brokers are away: sampled

	mu      sync.Mutex
	links   map[linkKey]*link        // shared connections
	known   []string                 // brokers that the cluster named last, besides the configured ones
	locks   map[string]chan struct{} // one writer a topic
	layouts map[string]layout        // as writers know them
}

// Purposes of shared connections: a write may wait for replicas, and nothing else shall wait behind it.
const (
	forQuestions = iota
	forWrites
)

type linkKey struct {
	addr    string
	purpose int
}

// New checks the options and reads certificates and password files. It does not connect.
func New(o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.withDefaults()
	d, err := newDialer(o.Config, o.Patience)
	if err != nil {
		return nil, err
	}
	return &Client{
		opts: o, dialer: d, metrics: newMetrics(o.Registerer), log: o.Log,
		noise: o.Log.Sample(&zerolog.BurstSampler{Burst: 5, Period: 30 * time.Second}),
		links: make(map[linkKey]*link), locks: make(map[string]chan struct{}), layouts: make(map[string]layout),
	}, nil
}

// Close ends the client's connections. A running Consumer has connections of its own.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, l := range c.links {
		l.close()
		delete(c.links, key)
	}
}

// link returns the shared connection to addr, made now if need be.
func (c *Client) link(ctx context.Context, key linkKey) (*link, error) {
	c.mu.Lock()
	l := c.links[key]
	c.mu.Unlock()
	if l != nil {
		return l, nil
	}
	l, err := c.dialer.dial(ctx, key.addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.links[key]; old != nil {
		l.close()
		return old, nil
	}
	c.links[key] = l
	return l, nil
}

// ask sends a request over the shared connection, which is given up if that fails. The answer may take so much longer than others.
func (c *Client) ask(ctx context.Context, key linkKey, req protocol.Message, longer time.Duration) (protocol.Message, error) {
	l, err := c.link(ctx, key)
	if err != nil {
		return nil, err
	}
	res, err := l.roundTrip(ctx, req, longer)
	if err != nil {
		c.drop(key, l, err)
	}
	return res, err
}

// distrust gives up the shared connections to a broker if one to it was silent for too long: what has cut off one has cut off the others,
// and each would be waited for in turn.
func (c *Client) distrust(addr string, err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, l := range c.links {
		if key.addr == addr {
			l.close()
			delete(c.links, key)
		}
	}
}

// drop gives up a shared connection on which something went wrong.
func (c *Client) drop(key linkKey, l *link, err error) {
	c.distrust(key.addr, err)
	l.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.links[key] == l {
		delete(c.links, key)
	}
}

// dialLeader opens a connection of its own to a partition's leader.
func (c *Client) dialLeader(ctx context.Context, topic string, partition int32) (*link, error) {
	addr, err := c.leader(ctx, topic, partition)
	if err != nil {
		return nil, err
	}
	return c.dialer.dial(ctx, addr)
}

// Bounds returns the log's start and the offset of the next record to come.
func (c *Client) Bounds(ctx context.Context, topic string, partition int32) (start, end int64, err error) {
	err = c.withLeader(ctx, topic, partition, func(l *link) error {
		start, end, err = l.bounds(ctx, topic, partition, readUncommitted)
		return err
	})
	return start, end, err
}

// EndFor returns where a log ends that somebody has read up to some place, given what an assignment says of it. Since that was made others may
// have written more, read it and said so: then the end is asked for once more, before anything is said to be lost.
func (c *Client) EndFor(ctx context.Context, topic string, a Assignment, place int64) (end int64, err error) {
	if place <= a.End {
		return a.End, nil
	}
	_, end, err = c.Bounds(ctx, topic, a.Partition)
	return end, err
}

// StableEnd returns the offset up to which a partition can be read now: open transactions end it.
func (c *Client) StableEnd(ctx context.Context, topic string, partition int32) (end int64, err error) {
	err = c.withLeader(ctx, topic, partition, func(l *link) error {
		_, end, err = l.bounds(ctx, topic, partition, readCommitted)
		return err
	})
	return end, err
}

// OffsetAt returns where Start begins in a partition now.
func (c *Client) OffsetAt(ctx context.Context, topic string, partition int32, s Start) (offset int64, err error) {
	err = c.withLeader(ctx, topic, partition, func(l *link) error {
		offset, err = l.resolve(ctx, topic, partition, s)
		return err
	})
	return offset, err
}

func (l *link) resolve(ctx context.Context, topic string, partition int32, s Start) (int64, error) {
	switch {
	case s.Latest:
		return l.offset(ctx, topic, partition, atEnd, readUncommitted)
	case s.Time.IsZero():
		return l.offset(ctx, topic, partition, atStart, readUncommitted)
	}
	offset, err := l.offset(ctx, topic, partition, s.Time.UnixMilli(), readUncommitted)
	if err == nil && offset < 0 { // nothing that young
		return l.offset(ctx, topic, partition, atEnd, readUncommitted)
	}
	return offset, err
}

// withLeader runs fn with the shared connection to a partition's leader, and again while that may help.
func (c *Client) withLeader(ctx context.Context, topic string, partition int32, fn func(*link) error) error {
	return c.retry(ctx, func() error {
		addr, err := c.leader(ctx, topic, partition)
		if err != nil {
			return err
		}
		key := linkKey{addr, forQuestions}
		l, err := c.link(ctx, key)
		if err != nil {
			return err
		}
		if err = fn(l); err != nil {
			if _, ok := errors.AsType[kafka.Error](err); !ok {
				c.drop(key, l, err)
			}
		}
		return err
	})
}

// retry runs fn until it succeeds, fails for good, or ctx ends.
func (c *Client) retry(ctx context.Context, fn func() error) error {
	for attempt := 0; ; attempt++ {
		err := fn()
		if err == nil || !retriable(err) {
			return err
		}
		if !pause(ctx, attempt) {
			return fmt.Errorf("%w (given up: %w)", err, context.Cause(ctx))
		}
		c.warn(ctx).Err(err).Int("attempt", attempt+1).Msg("kafka: trying again")
	}
}

// warn begins a warning about what is tried again. Who was told to stop has not failed, and nothing is said then.
func (c *Client) warn(ctx context.Context) *zerolog.Event {
	if ctx.Err() != nil {
		return nil
	}
	return c.noise.Warn()
}

// pause waits between attempts, 50 ms doubling to 5 s, give or take a quarter. It returns false when ctx ended.
func pause(ctx context.Context, attempt int) bool {
	d := min(50*time.Millisecond<<min(attempt, 10), 5*time.Second)
	d += time.Duration((rand.Float64() - 0.5) * 0.5 * float64(d))
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
