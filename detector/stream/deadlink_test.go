package stream_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// mute is a listener whose connections can be made to answer nothing any more, without a word. New ones answer.
type mute struct {
	net.Listener
	mu   sync.Mutex
	open []*muted
}

type muted struct {
	net.Conn
	mu  sync.Mutex
	now bool
}

func (m *mute) Accept() (net.Conn, error) {
	nc, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &muted{Conn: nc}
	m.open = append(m.open, c)
	return c, nil
}

func (c *muted) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (m *mute) swallow() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.open {
		c.mu.Lock()
		c.now = true
		c.mu.Unlock()
	}
}

// Connections that swallow everything are given up once an answer takes longer than Patience: all to that broker at once, so that
// a write, a reader and a question go on over new ones. Row 19 of the fault matrix; soak "dead link" has a real cluster behind it.
func TestFault19DeadLink(t *testing.T) {
	var listener *mute
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "usage"), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		listener = &mute{Listener: l}
		return listener, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	c := &cluster{brokers: k.ListenAddrs()}
	client := c.client(t, func(o *stream.Options) { o.Patience = 500 * time.Millisecond })
	read := make(chan string, 10)
	write := func(row string) {
		t.Helper()
		if err := client.Write(testContext(t), "usage", []stream.Message{{Value: []byte(row)}}); err != nil {
			t.Fatal(err)
		}
	}
	var follower sync.WaitGroup
	ctx, stop := testContext(t), make(chan struct{})
	follower.Go(func() {
		_ = client.Follow(ctx, "usage", 0, 0, func(records []detector.Record, _ int64) error {
			for _, r := range records {
				read <- r.Value
			}
			select {
			case <-stop:
				return errEnough
			default:
				return nil
			}
		})
	})
	write("before")
	if r := <-read; r != "before" {
		t.Fatal(r)
	}
	if _, _, err := client.Bounds(testContext(t), "usage", 0); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	listener.swallow()
	write("after") // its first copy came, and the answer did not
	for r := range read {
		if r == "after" {
			break
		}
	}
	if _, end, err := client.Bounds(testContext(t), "usage", 0); err != nil || end < 2 {
		t.Fatal(end, err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v, and nobody was to be waited for longer than half a second", took)
	}
	close(stop)
	write("last")
	follower.Wait()
}
