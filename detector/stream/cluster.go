package stream

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// metadata asks the configured brokers in turn, then those the cluster named, and returns the first answer. It does
// so twice, since a connection may have broken while it was idle.
func (c *Client) metadata(ctx context.Context, topics ...string) (*metadata.Response, error) {
	addrs := c.brokers()
	var first error
	for _, addr := range slices.Concat(addrs, addrs) {
		res, err := c.ask(ctx, linkKey{addr, forQuestions}, &metadata.Request{TopicNames: append([]string{}, topics...)}, 0)
		if err == nil {
			md := res.(*metadata.Response)
			c.remember(md)
			return md, nil
		}
		c.log.Debug().Err(err).Str("broker", addr).Msg("kafka: no answer to a question")
		if first == nil {
			first = err
		}
		if ctx.Err() != nil || !retriable(err) {
			break
		}
	}
	return nil, first
}

// brokers are the configured addresses and those that the cluster named since.
func (c *Client) brokers() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.opts.Brokers, c.known)
}

// remember puts the brokers that the cluster names in front of those known before. None is forgotten for not being
// named, up to a bound: while a controller is replaced, a cluster may name no broker at all.
func (c *Client) remember(md *metadata.Response) {
	const bound = 100
	c.mu.Lock()
	defer c.mu.Unlock()
	var now []string
	add := func(addr string) {
		if !slices.Contains(c.opts.Brokers, addr) && !slices.Contains(now, addr) && len(now) < bound {
			now = append(now, addr)
		}
	}
	for _, b := range md.Brokers {
		add(address(b.Host, b.Port))
	}
	for _, addr := range c.known {
		add(addr)
	}
	c.known = now
}

func address(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// Cluster is what brokers say of themselves.
type Cluster struct {
	ID      string
	Brokers []string // addresses
}

// Cluster asks for the cluster's id and brokers. It is also the first thing to do to see that they can be reached.
func (c *Client) Cluster(ctx context.Context) (Cluster, error) {
	md, err := c.metadata(ctx)
	if err != nil {
		return Cluster{}, fmt.Errorf("describe cluster at %v: %w", c.opts.Brokers, err)
	}
	out := Cluster{ID: md.ClusterID}
	for _, b := range md.Brokers {
		out.Brokers = append(out.Brokers, address(b.Host, b.Port))
	}
	return out, nil
}

// layout is where the partitions of a topic are.
type layout struct {
	leaders []string // address by partition; "" while there is none
	at      time.Time
}

// layoutAge is how long a writer trusts what it knows of a topic, unless a write fails. Java's is five minutes; here a
// partition that was added shall be used soon.
const layoutAge = 10 * time.Second

// writeLayout returns the layout of a topic, asking again only when it is old. Only the writer whose turn it is calls it.
func (c *Client) writeLayout(ctx context.Context, topic string) (layout, error) {
	c.mu.Lock()
	l, ok := c.layouts[topic]
	c.mu.Unlock()
	if ok && time.Since(l.at) < layoutAge {
		return l, nil
	}
	l, err := c.layout(ctx, topic)
	if err == nil {
		c.mu.Lock()
		c.layouts[topic] = l
		c.mu.Unlock()
	}
	return l, err
}

// forget makes the next write ask where its partitions are.
func (c *Client) forget(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.layouts, topic)
}

func (c *Client) layout(ctx context.Context, topic string) (layout, error) {
	md, err := c.metadata(ctx, topic)
	if err != nil {
		return layout{}, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	brokers := make(map[int32]string)
	for _, b := range md.Brokers {
		brokers[b.NodeID] = address(b.Host, b.Port)
	}
	for _, t := range md.Topics {
		if t.Name != topic {
			continue
		}
		if err := codeError(t.ErrorCode); err != nil {
			return layout{}, fmt.Errorf("describe topic %s: %w", topic, err)
		}
		l := layout{leaders: make([]string, len(t.Partitions)), at: time.Now()}
		for _, p := range t.Partitions {
			if int(p.PartitionIndex) < len(l.leaders) {
				l.leaders[p.PartitionIndex] = brokers[p.LeaderID]
			}
		}
		return l, nil
	}
	return layout{}, fmt.Errorf("describe topic %s: %w", topic, kafka.UnknownTopicOrPartition)
}

// Partitions returns the number of partitions of a topic.
func (c *Client) Partitions(ctx context.Context, topic string) (int, error) {
	l, err := c.layout(ctx, topic)
	return len(l.leaders), err
}

// leader returns the address of a partition's leader.
func (c *Client) leader(ctx context.Context, topic string, partition int32) (string, error) {
	l, err := c.layout(ctx, topic)
	if err != nil {
		return "", err
	}
	if partition < 0 || int(partition) >= len(l.leaders) {
		return "", fmt.Errorf("find leader of %s/%d: the topic has %d partitions: %w", topic, partition, len(l.leaders), kafka.UnknownTopicOrPartition)
	}
	if l.leaders[partition] == "" {
		return "", fmt.Errorf("find leader of %s/%d: %w", topic, partition, kafka.LeaderNotAvailable)
	}
	return l.leaders[partition], nil
}
