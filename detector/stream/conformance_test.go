package stream_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The cases wait more than they compute, so more of them than cores may run at once.
	_ = flag.Set("test.parallel", "12")
	goleak.VerifyTestMain(m)
}

// cluster is what the suite runs on.
type cluster struct {
	brokers  []string
	real     *kafkatest.Cluster // nil: embedded
	embedded *stream.Embedded
}

func (c *cluster) compacts() bool { return c.real != nil }

// cases are run on each implementation. Those that need the cluster for themselves stop it.
var cases = []struct {
	name  string
	alone bool
	run   func(*testing.T, *cluster)
}{
	{"records come in order and with their keys", false, testOrder},
	{"a key goes where Java sends it", false, testPartitioner},
	{"members join and leave without loss", false, testRebalance},
	{"a restarted member goes on at its commit", false, testCommit},
	{"reading starts at earliest, latest, a time", false, testStart},
	{"reading starts inside a batch", false, testInsideBatch},
	{"an offset that retention took is named", false, testBelowStart},
	{"retention overtakes a reader", false, testOvertaken},
	{"an offset above the end is named", false, testAboveEnd},
	{"an offset may be above the end that was", false, testMovedEnd},
	{"topics are created or checked", false, testTopics},
	{"a compacted topic is read to its end", false, testCompacted},
	{"aborted records and markers are not rows", false, testTransactions},
	{"an open transaction holds reading back", false, testOpenTransaction},
	{"empty values and tombstones", false, testEmpty},
	{"a record of 1 MB", false, testLargeRecord},
	{"every compression", false, testCompression},
	{"headers and times", false, testHeaders},
	{"a range is read exactly", false, testRange},
	{"partitions added are shared out", false, testPartitionsAdded},
	{"passwords", false, testSASL},
	{"certificates", false, testTLS},
	{"an error of the handler ends reading", false, testHandlerErrors},
	{"a partition that waits holds no other up", false, testHeldUp},
	{"reading ends soon when told to", false, testCancel},
	{"the cluster restarts under a reader and a writer", true, testRestart},
}

// TestConformance is the contract of this package, on the embedded broker and on real Kafka.
func TestConformance(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		e, err := stream.StartEmbedded(stream.EmbeddedOptions{Dir: filepath.Join(t.TempDir(), "data")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		conform(t, &cluster{brokers: e.Brokers(), embedded: e})
	})
	for _, version := range kafkatest.Versions {
		t.Run("kafka "+version, func(t *testing.T) {
			if testing.Short() && os.Getenv("DRAINWATCH_REQUIRE_KAFKA") == "" {
				t.Skip("-short")
			}
			t.Parallel()
			k := kafkatest.Start(t, kafkatest.Options{Version: version})
			conform(t, &cluster{brokers: k.Brokers, real: k})
		})
	}
}

func conform(t *testing.T, c *cluster) {
	t.Run("shared", func(t *testing.T) {
		for _, tc := range cases {
			if !tc.alone {
				t.Run(tc.name, func(t *testing.T) {
					t.Parallel()
					tc.run(t, c)
				})
			}
		}
	})
	for _, tc := range cases {
		if tc.alone {
			t.Run(tc.name, func(t *testing.T) { tc.run(t, c) })
		}
	}
}

// deadline bounds every case: nothing here should take a tenth of it.
const deadline = 60 * time.Second

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func (c *cluster) options() stream.Options {
	return stream.Options{
		Config:     stream.Config{Brokers: c.brokers},
		Registerer: prometheus.NewRegistry(),
		FetchWait:  100 * time.Millisecond, SessionTimeout: 6 * time.Second, Heartbeat: 200 * time.Millisecond,
		WatchInterval: 200 * time.Millisecond,
	}
}

func (c *cluster) client(t *testing.T, change ...func(*stream.Options)) *stream.Client {
	t.Helper()
	o := c.options()
	for _, fn := range change {
		fn(&o)
	}
	if os.Getenv("DRAINWATCH_TEST_LOG") != "" {
		o.Log = zerolog.New(zerolog.NewTestWriter(t))
	}
	client, err := stream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

var topicNumber atomic.Int64

// topic makes a topic of its own for the test.
func (c *cluster) topic(t *testing.T, partitions int, change ...func(*stream.TopicSpec)) string {
	t.Helper()
	spec := stream.TopicSpec{Name: fmt.Sprintf("t%d-%d", time.Now().UnixNano(), topicNumber.Add(1)), Partitions: partitions}
	for _, fn := range change {
		fn(&spec)
	}
	if err := c.client(t).EnsureTopic(testContext(t), spec); err != nil {
		t.Fatal(err)
	}
	return spec.Name
}

// franz is another client, to write what this package never writes.
func (c *cluster) franz(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.brokers...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func numbered(n int, key func(int) string) []stream.Message {
	ms := make([]stream.Message, n)
	for i := range ms {
		ms[i] = stream.Message{Key: []byte(key(i)), Value: fmt.Appendf(nil, "value %d", i)}
	}
	return ms
}

func write(t *testing.T, client *stream.Client, topic string, ms []stream.Message) {
	t.Helper()
	if err := client.Write(testContext(t), topic, ms); err != nil {
		t.Fatal(err)
	}
}

// metric sums a counter or gauge over its labels.
func metric(t *testing.T, r prometheus.Registerer, name string) float64 {
	t.Helper()
	families, err := r.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == "drainwatch_stream_"+name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
