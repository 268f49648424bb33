package stream

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// connections are those that a kafka-go consumer group opens. It gives no way to interrupt a join, which may wait
// for other members as long as the rebalance timeout: closing its connections does.
type connections struct {
	mu     sync.Mutex
	open   map[*connection]struct{}
	refuse bool
}

type connection struct {
	net.Conn
	all *connections
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

func (cs *connections) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.refuse {
		_ = nc.Close()
		return nil, errors.New("the consumer is closing")
	}
	if cs.open == nil {
		cs.open = make(map[*connection]struct{})
	}
	c := &connection{Conn: nc, all: cs}
	cs.open[c] = struct{}{}
	return c, nil
}

// close leaves the group. A member that is waiting for others to join is cut loose after a second, and gets two more to
// say goodbye; without it the broker would keep its partitions until the session times out.
func (cs *connections) close(group *kafka.ConsumerGroup) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = group.Close()
	}()
	for _, wait := range []time.Duration{time.Second, 2 * time.Second} {
		t := time.NewTimer(wait)
		select {
		case <-done:
			t.Stop()
			return
		case <-t.C:
			cs.cut(wait > time.Second)
		}
	}
	<-done
}

// cut closes all connections, and lets no new ones be opened if refuse is set.
func (cs *connections) cut(refuse bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.refuse = cs.refuse || refuse
	for c := range cs.open {
		_ = c.Conn.Close()
	}
}
