package stream_test

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

// TestFailover ends the leader of three nodes as a power cut would, while rows are written and read. What was
// acknowledged is there, and reading goes on at the new leader. Row 12 of the fault matrix.
func TestFailover(t *testing.T) {
	if testing.Short() && os.Getenv("DRAINWATCH_REQUIRE_KAFKA") == "" {
		t.Skip("-short")
	}
	k := kafkatest.Start(t, kafkatest.Options{Nodes: 3})
	c := &cluster{brokers: k.Brokers[:1], real: k} // one is named, the others are found
	topic := c.topic(t, 3)
	client := c.client(t)
	reader := c.client(t)
	settings, err := client.TopicSettings(testContext(t), topic, "min.insync.replicas")
	if err != nil || settings["min.insync.replicas"] != "2" {
		t.Fatalf("settings %v, %v: the cluster is not as the test needs it", settings, err)
	}
	h := newCollector()
	h.start(t, reader, topic, "g-"+topic)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var wrote []string
	var longest time.Duration
	wg.Go(func() {
		for i := 0; ; i++ {
			ms := numbered(30, func(j int) string { return fmt.Sprint("user-", j) })
			for j := range ms {
				ms[j].Value = fmt.Appendf(nil, "%d/%d", i, j)
			}
			begin := time.Now()
			if err := client.Write(testContext(t), topic, ms); err != nil {
				t.Error(err)
				return
			}
			longest = max(longest, time.Since(begin))
			for _, m := range ms {
				wrote = append(wrote, string(m.Value))
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	eventually(t, "rows flow", func() bool { return h.count() > 300 })
	k.Kill(t, 0, syscall.SIGKILL) // leads a third of the partitions, maybe the group and the controllers too
	before := h.count()
	eventually(t, "rows flow again", func() bool { return h.count() > before+300 })
	close(stop)
	wg.Wait()
	if t.Failed() {
		return
	}
	var got []string
	eventually(t, "all that was acknowledged", func() bool {
		got = got[:0]
		for p := range int32(3) {
			got = append(got, h.values(p)...)
		}
		slices.Sort(got)
		got = slices.Compact(got)
		return len(got) == len(wrote)
	})
	slices.Sort(wrote)
	if !slices.Equal(got, wrote) {
		t.Error("rows that were acknowledged did not arrive")
	}
	var stored int64
	for p := range int32(3) {
		_, end, err := client.Bounds(testContext(t), topic, p)
		if err != nil {
			t.Fatal(err)
		}
		stored += end
	}
	t.Logf("%d rows, %d written twice, longest write %v", len(wrote), stored-int64(len(wrote)), longest.Round(time.Millisecond))
	if err := client.EnsureTopic(testContext(t), stream.TopicSpec{Name: topic, Partitions: 3}); err != nil {
		t.Error(err)
	}
}
