package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/stream"
)

const (
	rowsAtOnce  = 4000 // of one write to Kafka
	bytesAtOnce = 4 << 20
	kafkaScheme = "kafka://"
)

// kafkaRows writes rows to a topic, keyed by user. It is a rowSink. One write is under way while the next is gathered.
type kafkaRows struct {
	client  *stream.Client
	close   func() // of what the sink owns
	topic   string
	batch   []stream.Message
	bytes   int
	batches chan rowBatch
	done    chan struct{}
	failed  error // of the writer; read after done
}

// rowBatch goes to the writer: rows to write, or a wish to be told when those before it are written.
type rowBatch struct {
	rows    []stream.Message
	written chan struct{}
}

// newKafkaRows starts the writer. Rows wait for brokers that are away until ctx is done.
func newKafkaRows(ctx context.Context, client *stream.Client, topic string) *kafkaRows {
	k := &kafkaRows{client: client, close: func() {}, topic: topic, batches: make(chan rowBatch, 1), done: make(chan struct{})}
	go func() {
		defer close(k.done)
		for b := range k.batches {
			if k.failed = client.Write(ctx, topic, b.rows); k.failed != nil {
				return
			}
			if b.written != nil {
				close(b.written)
			}
		}
	}()
	return k
}

// openKafkaRows connects to kafka://host:port,host:port/topic. TLS and SASL come from the usual KAFKA_* variables.
func openKafkaRows(ctx context.Context, address string, log zerolog.Logger) (*kafkaRows, error) {
	brokers, topic, ok := strings.Cut(strings.TrimPrefix(address, kafkaScheme), "/")
	if !ok || brokers == "" || topic == "" {
		return nil, usagef("write rows to %s: names no topic; write kafka://host:port/topic", address)
	}
	config := stream.Config{Topic: topic}
	if err := config.ApplyEnv(os.LookupEnv); err != nil {
		return nil, usageError{err}
	}
	config.Brokers = strings.Split(brokers, ",")
	client, err := stream.New(stream.Options{Config: config, Log: log})
	if err != nil {
		return nil, usageError{fmt.Errorf("write rows to %s: %w", address, err)}
	}
	if err := client.EnsureTopic(ctx, stream.TopicSpec{Name: topic}); err != nil {
		client.Close()
		return nil, err
	}
	k := newKafkaRows(ctx, client, topic)
	k.close = client.Close
	return k, nil
}

// Write implements rowSink.
func (k *kafkaRows) Write(_ context.Context, user string, value []byte) error {
	k.batch = append(k.batch, stream.Message{Key: []byte(user), Value: append([]byte(nil), value...)})
	k.bytes += len(value)
	if len(k.batch) >= rowsAtOnce || k.bytes >= bytesAtOnce {
		return k.Flush()
	}
	return nil
}

// Flush implements rowSink: it hands on what was gathered.
func (k *kafkaRows) Flush() error {
	if len(k.batch) == 0 {
		return nil
	}
	b := k.batch
	k.batch, k.bytes = make([]stream.Message, 0, rowsAtOnce), 0
	return k.send(rowBatch{rows: b})
}

func (k *kafkaRows) send(b rowBatch) error {
	select {
	case k.batches <- b:
		return nil
	case <-k.done:
		return k.failed
	}
}

// Sync waits until everything so far is written.
func (k *kafkaRows) Sync() error {
	if err := k.Flush(); err != nil {
		return err
	}
	written := make(chan struct{})
	if err := k.send(rowBatch{written: written}); err != nil {
		return err
	}
	select {
	case <-written:
		return nil
	case <-k.done:
		return k.failed
	}
}

// Close implements rowSink: it waits until everything is written.
func (k *kafkaRows) Close() error {
	err := k.Flush()
	close(k.batches)
	<-k.done
	k.close()
	if err == nil {
		err = k.failed
	}
	return err
}
