package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// BenchmarkRead reads rows of 323 bytes from one partition of the embedded broker, which serves one batch of 1,000
// rows again and again, so that it costs as little as it can. CPU is that of the process, broker included: on a busy
// machine it says more than time. kafka-go's fastest reader, which has neither keys nor offsets nor the ability to tell
// aborted records, stands beside for comparison.
func BenchmarkRead(b *testing.B) {
	for _, codec := range []struct {
		name string
		c    kgo.CompressionCodec
	}{{"none", kgo.NoCompression()}, {"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()}} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "usage"),
			kfake.SyntheticFetch(kfake.SyntheticBatch{Records: 1000, RecordBytes: 323, RandomFrac: 0.2, Compression: codec.c}))
		if err != nil {
			b.Fatal(err)
		}
		addr := cluster.ListenAddrs()[0]
		b.Run(codec.name+"/stream", func(b *testing.B) { measure(b, func() { readStream(b, addr, b.N) }) })
		b.Run(codec.name+"/kafka-go ReadBatch", func(b *testing.B) { measure(b, func() { readBatch(b, addr, b.N) }) })
		cluster.Close()
	}
}

func measure(b *testing.B, fn func()) {
	b.ReportAllocs()
	b.SetBytes(323)
	before := cpu()
	b.ResetTimer()
	fn()
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

func cpu() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

var errEnough = errors.New("enough")

func readStream(b *testing.B, addr string, n int) {
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: []string{addr}}})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	size := 0
	err = client.History("usage").Read(context.Background(), 0, 0, int64(n), func(r detector.Record) error {
		size += len(r.Value)
		return nil
	})
	if err != nil || size != 323*n {
		b.Fatal(size, err)
	}
}

func readBatch(b *testing.B, addr string, n int) {
	conn, err := kafka.DialLeader(context.Background(), "tcp", addr, "usage", 0)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 4096)
	for n > 0 {
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		batch := conn.ReadBatch(1, 1<<20)
		for n > 0 {
			if _, err := batch.Read(buf); err != nil {
				break
			}
			n--
		}
		if err := batch.Close(); err != nil && n > 0 {
			b.Fatal(err)
		}
	}
}

// BenchmarkConsume is what a member of a group costs a row, with a handler that does nothing.
func BenchmarkConsume(b *testing.B) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "usage"),
		kfake.SyntheticFetch(kfake.SyntheticBatch{Records: 1000, RecordBytes: 323, RandomFrac: 0.2, Compression: kgo.Lz4Compression()}))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: cluster.ListenAddrs()}})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	measure(b, func() {
		consumer, err := client.Consumer("usage", "g"+strconv.Itoa(b.N), &counter{left: b.N})
		if err != nil {
			b.Fatal(err)
		}
		if err := consumer.Run(context.Background()); !errors.Is(err, errEnough) {
			b.Fatal(err)
		}
	})
}

type counter struct{ left int }

func (c *counter) Assigned(context.Context, stream.Assignment) (int64, error) { return 0, nil }
func (c *counter) Idle(context.Context, int32, int64) error                   { return nil }
func (c *counter) Revoked(int32)                                              {}
func (c *counter) Records(_ context.Context, _ int32, rs []detector.Record) error {
	if c.left -= len(rs); c.left <= 0 {
		return fmt.Errorf("%w", errEnough)
	}
	return nil
}

// BenchmarkWrite is what a row costs a writer, 1,000 rows of 323 bytes at a time over four partitions.
func BenchmarkWrite(b *testing.B) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "usage"), kfake.BlackholeProduce())
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: cluster.ListenAddrs()}})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	rows := numbered(1000, func(i int) string { return "user-" + strconv.Itoa(i) })
	for i := range rows {
		rows[i].Value = append(rows[i].Value, incompressible(100)...)
		rows[i].Value = append(rows[i].Value, make([]byte, 323-len(rows[i].Value))...)
	}
	measure(b, func() {
		for n := b.N; n > 0; n -= len(rows) {
			if err := client.Write(context.Background(), "usage", rows[:min(n, len(rows))]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
