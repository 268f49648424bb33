package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/checkpoint"
	"github.com/drainwatch/drainwatch/detector/state"
)

// What a restart finds and cannot go on from is refused: with what it is, what it would lose, and what to do.
func TestRunRefusesCheckpoints(t *testing.T) {
	kept := t.TempDir()
	t.Setenv("DRAINWATCH_STATE_PATH", kept)
	b := startBroker(t)
	b.topic(t, "usage", 1)
	b.produce(t, "usage", usageRows(100)...)
	args := func(more ...string) []string {
		return append([]string{"run", "--brokers", b.address, "--api", "127.0.0.1:0", "--log-format", "json"}, more...)
	}
	d := startDaemon(t, freeAddress(t), args("--probes", "127.0.0.1:0")...)
	await(t, "all rows", func() bool { return strings.Contains(d.errs.String(), "run: caught up with the topic") })
	if code := d.stop(t); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, d.errs.String())
	}
	conf := mustParse(t, fmt.Sprintf("state: {path: %q}", kept))
	dir, err := checkpoint.OpenDir(conf.checkpointDir())
	if err != nil {
		t.Fatal(err)
	}
	good, skipped, err := dir.Newest(t.Context(), ownerOfShard(0))
	if err != nil || good == nil || len(skipped) > 0 || good.About.Next[0] != 100 || good.About.Landmarks[0].Offset != 99 {
		t.Fatalf("the end of a run leaves %+v, %v: %v", good, skipped, err)
	}
	for i, tt := range []struct {
		name   string
		change func(*checkpoint.Checkpoint)
		want   string
		remedy string
	}{
		{"another cluster", func(c *checkpoint.Checkpoint) { c.About.Cluster = "elsewhere" }, ` is of another installation: cluster "elsewhere", topic usage`, "a state.path of its own"},
		{"another first start", func(c *checkpoint.Checkpoint) { c.About.Installed = time.Unix(0, 0) }, "first started on 1970-01-01", "a state.path of its own"},
		{"other partitions", func(c *checkpoint.Checkpoint) { c.About.Partitions = 4 }, "group drainwatch, 4 partitions", "a state.path of its own"},
		{"truncated", func(c *checkpoint.Checkpoint) { c.About.Next = map[int32]int64{0: 500} }, "goes on from offset 500 of partition 0, which ends at 100: the topic was truncated or made anew", "start afresh"},
		{"made anew", func(c *checkpoint.Checkpoint) {
			c.About.Landmarks = map[int32]checkpoint.Landmark{0: {Offset: 99, Hash: "0"}}
		}, "read another record at offset 99 of partition 0 than there is", "start afresh"},
		{"retention", func(c *checkpoint.Checkpoint) { c.About.Next = map[int32]int64{0: -5} }, "retention removed 5 records of partition 0 that came after checkpoint ", "go on without them with --accept-loss"},
		{
			"another layout", func(c *checkpoint.Checkpoint) {
				c.Parts[0] = detector.NewPart("head", state.Append(nil, "shard", 99, func(*state.Coder) {}))
			},
			"the state has layout 99, and this program reads layout ", "all of it is read again",
		},
		{"a part is missing", func(c *checkpoint.Checkpoint) { c.Parts = c.Parts[:len(c.Parts)-1] }, "restore register: 0 bytes that are no state", "all of it is read again"},
		{"of another log", func(c *checkpoint.Checkpoint) {
			c.Parts[len(c.Parts)-1] = detector.NewPart("register", (&detector.Register{}).AppendBinary(nil, 1_000_000))
		}, "goes on from offset 1000000 of drainwatch.internal.signals, which ends at ", "start afresh"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &checkpoint.Checkpoint{Position: good.Position + int64(i) + 1, About: good.About, Parts: slices.Clone(good.Parts)}
			tt.change(c)
			if _, err := dir.Write(t.Context(), ownerOfShard(0), c); err != nil {
				t.Fatal(err)
			}
			more := []string{"--probes", "127.0.0.1:0", "--log-level", "off"}
			if tt.name != "retention" { // nothing else is a loss to accept: what is there is of something else
				more = append(more, "--accept-loss")
			}
			code, _, errs := run(t, "", args(more...)...)
			if code != exitFailed || !strings.HasPrefix(errs, "drainwatch: resume on topic usage: ") || !strings.Contains(errs, tt.want) || !strings.Contains(errs, tt.remedy) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
}

// Checkpoints without the record of an installation are of one that is lost.
func TestRunRefusesForeignCheckpoints(t *testing.T) {
	for _, torn := range []bool{false, true} {
		dir, err := checkpoint.OpenDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		s := newService(mustParse(t, "{}"), zerologNop, newRegistry())
		if s.keep(dir, false); s.foreign(t.Context()) != nil {
			t.Error("an empty store is refused")
		}
		if _, err := dir.Write(t.Context(), ownerOfShard(0), &checkpoint.Checkpoint{Parts: []detector.Part{detector.NewPart("head", []byte("state"))}}); err != nil {
			t.Fatal(err)
		}
		if torn {
			tear(t, dir.Path())
		}
		if err := s.foreign(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no record of an installation, and ") {
			t.Errorf("torn %v: %v", torn, err)
		}
	}
}

// With state.store: kafka nothing is needed on the machine to go on. Row 26 of the fault matrix: when the checkpoints in the topic are
// deleted, all that is retained is read again, and that is said.
func TestFault26CheckpointsDeleted(t *testing.T) {
	t.Setenv("DRAINWATCH_STATE_STORE", "kafka")
	b := startBroker(t)
	b.topic(t, "usage", 1)
	b.produce(t, "usage", usageRows(100)...)
	const topic = "drainwatch.internal.checkpoints"
	for _, tt := range []struct{ name, says string }{
		{"first", "run: first start"}, {"next", "run: goes on from a checkpoint"}, {"deleted", "run: reads a partition from its beginning"},
	} {
		if tt.name == "deleted" {
			for p := range int32(8) {
				var keys [][]byte
				if _, err := b.Scan(t.Context(), topic, p, 0, func(_ int64, key, _ string, _ bool) error {
					keys = append(keys, []byte(key))
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if len(keys) > 0 {
					if err := b.WriteTo(t.Context(), topic, p, keys, make([][]byte, len(keys))); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		t.Setenv("DRAINWATCH_STATE_PATH", t.TempDir()) // another machine each time
		d := startDaemon(t, freeAddress(t), "run", "--brokers", b.address, "--api", "127.0.0.1:0", "--log-format", "json", "--probes", "127.0.0.1:0")
		await(t, "all rows", func() bool { return strings.Contains(d.errs.String(), "run: caught up with the topic") })
		if code := d.stop(t); code != exitDone || !strings.Contains(d.errs.String(), tt.says) {
			t.Fatalf("%s: exit code %d, and it does not say %q:\n%s", tt.name, code, tt.says, d.errs.String())
		}
	}
}
