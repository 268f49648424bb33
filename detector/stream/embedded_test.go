package stream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drainwatch/drainwatch/detector/stream"
)

// TestEmbeddedKeepsItsData stops a broker and starts another on its directory: topics with their settings, records,
// committed offsets and the cluster's id are there again.
func TestEmbeddedKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "on", "demand")
	spec := stream.TopicSpec{Name: "kept", Partitions: 2, Cleanup: stream.Compact}
	var id string
	for round := range 2 {
		e, err := stream.StartEmbedded(stream.EmbeddedOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		c := &cluster{brokers: e.Brokers(), embedded: e}
		client := c.client(t)
		cluster, err := client.Cluster(testContext(t))
		if err != nil || round > 0 && cluster.ID != id {
			t.Fatalf("round %d: cluster %+v, %v", round, cluster, err)
		}
		id = cluster.ID
		if err := client.EnsureTopic(testContext(t), spec); err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			write(t, client, "kept", numbered(100, func(i int) string { return fmt.Sprint(i) }))
		}
		h := newCollector()
		stop := h.start(t, client, "kept", "g")
		eventually(t, "the end", func() bool { return h.idleAt(0) >= 0 && h.idleAt(1) >= 0 })
		if want := 100 * (1 - round); h.count() != want {
			t.Errorf("round %d: %d records, want %d", round, h.count(), want)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		client.Close()
		e.Close()
	}
}

func TestEmbeddedErrors(t *testing.T) {
	t.Parallel()
	e, err := stream.StartEmbedded(stream.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var port int
	if _, err := fmt.Sscanf(e.Brokers()[0], "127.0.0.1:%d", &port); err != nil {
		t.Fatalf("it listens on %v, not on loopback", e.Brokers())
	}
	if _, err := stream.StartEmbedded(stream.EmbeddedOptions{Port: port}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.StartEmbedded(stream.EmbeddedOptions{Dir: file}); err == nil {
		t.Error("a file was taken for a directory")
	}
}
