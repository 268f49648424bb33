package kafkatest

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Keys of requests, as Kafka numbers them.
const (
	Produce   = 0
	Fetch     = 1
	Heartbeat = 12
)

// Proxy stands between clients and the nodes of a cluster, and does to their connections what networks do. Clients that start at its
// Brokers are sent to it for every node. It is safe for concurrent use.
type Proxy struct {
	Brokers []string

	cluster *Cluster
	mu      sync.Mutex
	links   map[*proxied]bool
	delay   time.Duration
	hole    map[int]bool  // nodes that cannot be reached
	lose    int           // answers to writes that are still to be lost
	asked   map[int][]int // requests since Forget, by key and node
	ended   bool
	wait    sync.WaitGroup
}

// proxied is a connection of a client to a node.
type proxied struct {
	node       int
	up, down   net.Conn // to the node, and to the client
	swallowed  bool     // nothing passes any more, and nobody is told
	mu         sync.Mutex
	unanswered map[uint32]bool // writes, by correlation id
}

// Proxy starts a proxy in front of every node, which ends with the test.
func (c *Cluster) Proxy(t testing.TB) *Proxy {
	t.Helper()
	if !c.Own() {
		t.Skip("the cluster belongs to somebody else")
	}
	p := &Proxy{cluster: c, links: map[*proxied]bool{}, hole: map[int]bool{}, asked: map[int][]int{}}
	var listening []net.Listener
	t.Cleanup(func() {
		for _, l := range listening {
			_ = l.Close()
		}
		p.mu.Lock()
		p.ended = true
		for x := range p.links {
			x.close()
		}
		p.mu.Unlock()
		p.wait.Wait()
	})
	for node := range c.nodes {
		l, err := net.Listen("tcp", addr(c.port+10*node+5))
		if err != nil {
			t.Fatal(err)
		}
		listening = append(listening, l)
		p.Brokers = append(p.Brokers, l.Addr().String())
		p.wait.Go(func() { p.listen(l, node) })
	}
	return p
}

func (p *Proxy) listen(l net.Listener, node int) {
	for {
		down, err := l.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", addr(p.cluster.port+10*node+4))
		if err != nil { // the node is gone, as its clients shall see
			_ = down.Close()
			continue
		}
		x := &proxied{node: node, up: up, down: down, unanswered: map[uint32]bool{}}
		p.mu.Lock()
		if p.links[x], x.swallowed = true, p.hole[node]; p.ended {
			x.close()
		}
		p.mu.Unlock()
		p.wait.Go(func() { p.pass(x, down, up, p.request) })
		p.wait.Go(func() { p.pass(x, up, down, p.answer) })
	}
}

func (x *proxied) close() {
	_ = x.up.Close()
	_ = x.down.Close()
}

// pass carries messages one way until the connection ends. see returns whether a message may pass.
func (p *Proxy) pass(x *proxied, from, to net.Conn, see func(*proxied, []byte) bool) {
	defer func() {
		x.close()
		p.mu.Lock()
		delete(p.links, x)
		p.mu.Unlock()
	}()
	var size [4]byte
	for {
		if _, err := io.ReadFull(from, size[:]); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(from, message); err != nil {
			return
		}
		p.mu.Lock()
		delay, swallowed := p.delay, x.swallowed
		p.mu.Unlock()
		switch {
		case swallowed:
			continue
		case !see(x, message):
			return
		}
		time.Sleep(delay)
		if _, err := to.Write(append(size[:], message...)); err != nil {
			return
		}
	}
}

// request notes what is asked of whom.
func (p *Proxy) request(x *proxied, m []byte) bool {
	if len(m) < 8 {
		return true
	}
	key := int(binary.BigEndian.Uint16(m))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked[key] == nil {
		p.asked[key] = make([]int, p.cluster.nodes)
	}
	p.asked[key][x.node]++
	if key == Produce {
		x.mu.Lock()
		x.unanswered[binary.BigEndian.Uint32(m[4:])] = true
		x.mu.Unlock()
	}
	return true
}

// answer loses the answer to a write, and the connection with it, if that is wanted.
func (p *Proxy) answer(x *proxied, m []byte) bool {
	if len(m) < 4 {
		return true
	}
	id := binary.BigEndian.Uint32(m)
	x.mu.Lock()
	write := x.unanswered[id]
	delete(x.unanswered, id)
	x.mu.Unlock()
	if !write {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose == 0 {
		return true
	}
	p.lose--
	return false
}

// Delay has every message wait, each way.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Lose has the next n writes done but not answered: their connections end instead.
func (p *Proxy) Lose(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = n
}

// ToLose returns how many answers are still to be lost.
func (p *Proxy) ToLose() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lose
}

// Swallow has all connections to a node carry nothing from here on and for ever, without telling anybody. New ones work.
func (p *Proxy) Swallow(node int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for x := range p.links {
		x.swallowed = x.swallowed || x.node == node
	}
}

// Hole has a node swallow all connections, also new ones, or takes new ones again.
func (p *Proxy) Hole(node int, on bool) {
	p.mu.Lock()
	p.hole[node] = on
	p.mu.Unlock()
	if on {
		p.Swallow(node)
	}
}

// Busiest returns the node that was asked for something most often since Forget.
func (p *Proxy) Busiest(key int) (node int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, times := range p.asked[key] {
		if times > p.asked[key][node] {
			node = n
		}
	}
	return node
}

// Forget forgets what was asked.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.asked)
}
