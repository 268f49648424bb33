package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/drainwatch/drainwatch/detector/checkpoint"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

var (
	costUsers = flag.Int("checkpoint-users", 0, "users in one partition, whose checkpoints are measured; 0 leaves it out")
	costPairs = flag.Int("checkpoint-pairs", 8, "rounds with a checkpoint, each beside one without")
	costRound = flag.Int("checkpoint-rows", 1_000_000, "rows of a round: what is caught up with in 30 s")
)

// cost is a service with many users in one partition of a real Kafka, and its checkpoints.
type cost struct {
	b     broker
	next  int // row
	state string
}

// produce writes rows of users who take turns, at such a distance that three each take three hours.
func (c *cost) produce(t *testing.T, rows int) {
	t.Helper()
	apart := int64(time.Hour) / int64(*costUsers)
	e := event.Event{
		HasTokens: true, Input: 5000, Cached: 3000, Output: 400, Credits: event.Credit / 100,
		Session: "s", Device: "d", IP: "198.51.100.7", APIKey: "k", Country: "de",
	}
	e.Dims[event.Model], e.Dims[event.Plan] = "m", "pro"
	start := time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC).UnixNano()
	for end := c.next + rows; c.next < end; {
		messages := make([]stream.Message, 0, 20_000)
		for ; c.next < end && len(messages) < cap(messages); c.next++ {
			e.ID, e.User, e.Time = fmt.Sprint("r", c.next), fmt.Sprint("user-", c.next*7919%*costUsers), start+int64(c.next)*apart
			e.TurnID = e.ID
			e.Dims[event.Region] = fmt.Sprint("region-", c.next%40)
			messages = append(messages, stream.Message{Key: []byte(e.User), Value: e.AppendJSON(nil)})
		}
		if err := c.b.Write(t.Context(), "usage", messages); err != nil {
			t.Fatal(err)
		}
	}
}

// serve has a service read all that there is until stop is called; it keeps checkpoints when it is told to, and when it ends.
func (c *cost) serve(t *testing.T, store string) (s *service, log *lockedBuffer, stop func()) {
	t.Helper()
	conf := mustParse(t, fmt.Sprintf("ingest: {brokers: [%q]}\nstate: {store: %s, path: %q, every: 1h}\nrate_card: [{model: m, from: 2026-01-01T00:00:00Z, input: 2.5, cached: 0.25, output: 10.625}]\n", c.b.address, store, c.state))
	log = &lockedBuffer{}
	s = newService(conf, zerolog.New(log), newRegistry())
	var kept checkpoint.Store
	if store == "dir" {
		var err error
		if kept, err = checkpoint.OpenDir(conf.checkpointDir()); err != nil {
			t.Fatal(err)
		}
	}
	s.keep(kept, false)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.run(ctx) }()
	return s, log, func() {
		t.Helper()
		cancel()
		if err := <-served; err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		debug.FreeOSMemory() // before the next is measured
	}
}

// reading is what has been used up to a row.
type reading struct {
	wall, cpu time.Duration
	rows      int
}

// readTo looks every millisecond how far the service has come, and returns what was used until it had come to a row and, if that is not nil,
// kept was closed; and for how long it stood still at most.
func (s *service) readTo(t *testing.T, began time.Time, row int, kept <-chan struct{}) (used reading, still time.Duration) {
	t.Helper()
	next, at := -1, time.Now()
	for next < row {
		time.Sleep(time.Millisecond)
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
		now, was := time.Now(), next
		next = s.taken()
		if next == was {
			continue
		}
		if was >= 0 {
			still = max(still, now.Sub(at))
		}
		at = now
	}
	if kept != nil {
		<-kept
	}
	return reading{time.Since(began), cpu(t), s.taken()}, still
}

// taken returns how many rows of the partition were read.
func (s *service) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.parts[0]; p != nil {
		return int(p.next)
	}
	return 0
}

// cpu returns the processor time that this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// gauge returns what is measured of the partition's last checkpoint.
func (s *service) gauge(t *testing.T, name string) float64 {
	t.Helper()
	all, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == "drainwatch_checkpoint_"+name && m.GetLabel()[0].GetValue() == ownerOfShard(0) {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no checkpoint was kept: nothing says its %s", name)
	return 0
}

// TestCheckpointCost measures what checkpoints of many users in one partition of a real Kafka take of what the service reads while it catches
// up: rounds with one, as often as state.every has it, beside rounds without. And how long the fold stands still for one, and how long it
// takes to go on from one. make checkpoints runs it.
func TestCheckpointCost(t *testing.T) {
	if *costUsers == 0 {
		t.Skip("long: make checkpoints runs it")
	}
	cluster := kafkatest.Start(t, kafkatest.Options{})
	client, err := stream.New(stream.Options{Config: stream.Config{Brokers: cluster.Brokers}, Log: zerologNop})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := &cost{b: broker{client, cluster.Brokers[0]}, state: t.TempDir()}
	c.b.topic(t, "usage", 1)
	warm := 3**costUsers + *costRound
	c.produce(t, warm+3**costPairs**costRound)

	s, log, stop := c.serve(t, "dir")
	began := time.Now()
	s.readTo(t, began, 3**costUsers, nil)
	s.keepAll(t.Context())
	t.Logf("the first checkpoint: %.0f MB, rows stood still for %.0f ms", s.gauge(t, "bytes")/1e6, s.gauge(t, "stall_seconds")*1e3)
	before, _ := s.readTo(t, began, warm, nil)
	var walls, cpus, each, stalled []float64 // of pairs: logs of with over without, and the difference
	var still [2]time.Duration
	var seconds, written float64
	var pair [2]reading // of so many rows as a round has
	for round := range 2 * *costPairs {
		with := (round + round/2) % 2 // 0 1 1 0
		kept := make(chan struct{})
		go func() {
			defer close(kept)
			if with == 1 {
				s.keepAll(t.Context())
			}
		}()
		at, waited := s.readTo(t, began, before.rows+*costRound, kept)
		of := float64(*costRound) / float64(at.rows-before.rows) // a checkpoint may take longer than its round
		pair[with] = reading{wall: time.Duration(of * float64(at.wall-before.wall)), cpu: time.Duration(of * float64(at.cpu-before.cpu))}
		still[with], before = max(still[with], waited), at
		if with == 1 {
			stalled = append(stalled, s.gauge(t, "stall_seconds"))
			written += s.gauge(t, "bytes") / float64(*costPairs)
		} else {
			seconds += pair[0].wall.Seconds() / float64(*costPairs)
		}
		if round%2 == 1 {
			walls = append(walls, math.Log(pair[1].wall.Seconds()/pair[0].wall.Seconds()))
			cpus = append(cpus, math.Log(pair[1].cpu.Seconds()/pair[0].cpu.Seconds()))
			each = append(each, (pair[1].cpu - pair[0].cpu).Seconds())
			t.Logf("%d rows without a checkpoint: %.1f s, %.1f s of a core; with one: %.1f s, %.1f s", *costRound,
				pair[0].wall.Seconds(), pair[0].cpu.Seconds(), pair[1].wall.Seconds(), pair[1].cpu.Seconds())
		}
	}
	slices.Sort(stalled)
	t.Logf("a round of %.1f s with a checkpoint took %s of the time of one without, and %s of its processor time: %.2f s each, %.1f%% of a core where one is made every 30 s",
		seconds, ratioOf(walls), ratioOf(cpus), stat.Mean(each, nil), stat.Mean(each, nil)/30*100)
	t.Logf("checkpoints wrote %.0f MB; rows stood still for %.0f ms, at most %.0f; nothing was taken for %v at most with one, and for %v without",
		written/1e6, stalled[len(stalled)/2]*1e3, stalled[len(stalled)-1]*1e3, still[1].Round(time.Millisecond), still[0].Round(time.Millisecond))
	stop()
	if strings.Contains(log.String(), "no checkpoint could be kept") {
		t.Fatal(log.String())
	}
	c.copy(t, s)
	for _, store := range []string{"dir", "dir", "dir", "kafka", "kafka", "kafka"} {
		c.restore(t, store)
	}
}

// ratioOf is the geometric mean of ratios with its 95% interval, of their logarithms.
func ratioOf(logs []float64) string {
	mean, deviation := stat.MeanStdDev(logs, nil)
	half := distuv.StudentsT{Sigma: 1, Nu: float64(len(logs) - 1)}.Quantile(0.975) * stat.StdErr(deviation, float64(len(logs)))
	return fmt.Sprintf("%.3f (%.3f to %.3f)", math.Exp(mean), math.Exp(mean-half), math.Exp(mean+half))
}

// copy copies the checkpoints in the directory to the topic.
func (c *cost) copy(t *testing.T, of *service) {
	t.Helper()
	topic, err := checkpoint.OpenKafka(t.Context(), c.b.Client, of.topic("internal.checkpoints"), of.conf.Ingest.Group+"/"+of.conf.sourceTopic())
	if err != nil {
		t.Fatal(err)
	}
	owners, err := of.keeping.store.Owners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, owner := range owners {
		x, _, err := of.keeping.store.Newest(t.Context(), owner)
		if err == nil {
			_, err = topic.Write(t.Context(), owner, x)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// restore measures how long it takes until a service that starts anew has taken up the checkpoint, and the row after it.
func (c *cost) restore(t *testing.T, store string) {
	t.Helper()
	if store == "kafka" {
		c.state = t.TempDir() // another machine
	}
	c.produce(t, 1)
	before, began := cpu(t), time.Now()
	s, log, stop := c.serve(t, store)
	at, _ := s.readTo(t, began, 1, nil) // the place at which it goes on
	at, _ = s.readTo(t, began, at.rows+1, nil)
	stop()
	for line := range strings.Lines(log.String()) {
		var said struct {
			Message string
			Took    float64 // ms
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Message == "run: goes on from a checkpoint" {
			t.Logf("from %s: taken up in %.2f s; the first row after it was taken %.1f s after the start, for %.2f s of a core",
				s.keeping.store.Path(), said.Took/1e3, at.wall.Seconds(), (at.cpu - before).Seconds())
			return
		}
	}
	t.Fatalf("it does not go on from a checkpoint:\n%s", log.String())
}
