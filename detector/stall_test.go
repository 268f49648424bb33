package detector

import (
	"flag"
	"fmt"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
)

var stallUsers = flag.Int("checkpoint-users", 0, "users in one partition, for whose checkpoints rows wait; 0 leaves it out")

// TestCheckpointStall measures for how long rows of a partition of many users wait for a checkpoint at once: for the mark, or for what is
// written between two batches. In processor time, alone, so that a busy machine does not show. make checkpoints runs it.
func TestCheckpointStall(t *testing.T) {
	if *stallUsers == 0 {
		t.Skip("long: make checkpoints runs it")
	}
	b := newBench(t)
	b.say = func(closing) {}
	next, apart := 0, int64(time.Hour)/int64(*stallUsers)
	e := event.Event{HasTokens: true, Input: 5000, Cached: 3000, Output: 400, Credits: event.Credit / 100, Session: "s", Device: "d", IP: "198.51.100.7", APIKey: "k", Country: "de"}
	e.Dims[event.Model], e.Dims[event.Plan] = "m", "pro"
	feed := func(rows int) {
		for end := next + rows; next < end; next++ { // users take turns
			e.ID, e.User, e.Time = fmt.Sprint("r", next), fmt.Sprint("user-", next*7919%*stallUsers), noon+int64(next)*apart
			e.RequestID, e.TurnID = e.ID, e.ID
			e.Dims[event.Region] = fmt.Sprint("region-", next%40)
			b.fold(Record{Offset: int64(next)}, &e, nil)
		}
	}
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	feed(3 * *stallUsers)
	disk := map[string][]byte{}
	var parts []Part
	for i := range 4 {
		debug.FreeOSMemory()
		collector := debug.SetGCPercent(-1)
		began := cpu()
		m := b.mark(func(string) bool { return true })
		marked := cpu() - began
		longest, all, steps := time.Duration(0), marked, 0
		for done := false; !done; steps++ {
			at := cpu()
			done = m.step()
			took := cpu() - at
			longest, all = max(longest, took), all+took
		}
		m.release()
		debug.SetGCPercent(collector)
		var err error
		if parts, err = m.collect(t.Context(), t.Context()); err != nil {
			t.Fatal(err)
		}
		b.keptAs = keptAlike(parts)
		bytes := 0
		for i := range parts {
			if p := &parts[i]; p.Bytes != nil {
				bytes += len(p.Bytes)
				disk[p.Hash] = p.Bytes
			} else {
				p.Bytes = disk[p.Hash]
			}
		}
		t.Logf("checkpoint %d: %.0f MB in %d parts, of which the mark took %v with a head of %.1f MB, and the longest of %d steps %v; in all %v", i+1,
			float64(bytes)/1e6, len(parts), marked, float64(parts[0].Size)/1e6, steps, longest, all)
		if stall := max(marked, longest); stall > 50*time.Millisecond {
			t.Errorf("rows wait for %v at once, and may wait for 50 ms", stall)
		}
		feed(*stallUsers)
	}
	b.shard = nil
	debug.FreeOSMemory()
	other := newBench(t)
	began, at := cpu(), time.Now()
	if err := other.restore(parts); err != nil {
		t.Fatal(err)
	}
	t.Logf("state is made of it in %v, for %v of a core", time.Since(at), cpu()-began)
}
