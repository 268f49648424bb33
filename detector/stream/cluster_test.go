package stream

import (
	"slices"
	"testing"

	"github.com/segmentio/kafka-go/protocol/metadata"
)

// TestRemember: a cluster whose controller was just killed named no brokers, and a client that believed it was left with
// the dead one it was configured with.
func TestRemember(t *testing.T) {
	c, err := New(Options{Config: Config{Brokers: []string{"a:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ named, want []string }{
		{[]string{"a"}, []string{"a:1"}},
		{[]string{"a", "b", "c"}, []string{"a:1", "b:1", "c:1"}},
		{nil, []string{"a:1", "b:1", "c:1"}},
		{[]string{"d", "c"}, []string{"a:1", "d:1", "c:1", "b:1"}},
	} {
		md := &metadata.Response{}
		for _, host := range step.named {
			md.Brokers = append(md.Brokers, metadata.ResponseBroker{Host: host, Port: 1})
		}
		c.remember(md)
		if got := c.brokers(); !slices.Equal(got, step.want) {
			t.Errorf("after %v: %v, want %v", step.named, got, step.want)
		}
	}
}
