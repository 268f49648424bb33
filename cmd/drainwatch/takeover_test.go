package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
)

// watch reads the signals log beside the instances, and measures how long after one has ended detection goes on: until rows of every
// partition that it had count again, and until whoever decides now, if it was the one, has heard all that was decided before.
type watch struct {
	mu        sync.Mutex
	register  detector.Register
	processes map[int]*process // by id
	claimed   int              // claims that count
	closed    int              // closings that count
	open      []*takeover
	took      map[string][]time.Duration // by how it ended, and whether something else happened until then
	idle      int                        // of those that ended had nothing
}

// takeover is of what an instance had that has ended.
type takeover struct {
	how       string
	pid       int
	at        time.Time
	left      map[int32]bool // partitions
	disturbed bool
	done      chan struct{}
}

func newWatch() *watch {
	return &watch{processes: map[int]*process{}, took: map[string][]time.Duration{}}
}

// start follows the log until the test ends.
func (w *watch) start(t *testing.T, b broker, topic string) {
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Go(func() {
		if err := b.Follow(ctx, topic, 0, 0, func(records []detector.Record, _ int64) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			for i := range records {
				if err := hear(records[i], w.hear); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	both.Go(func() {
		for ctx.Err() == nil {
			w.decides()
			time.Sleep(100 * time.Millisecond)
		}
	})
	t.Cleanup(func() {
		cancel()
		both.Wait()
	})
}

// hear follows who owns what. It is called with the lock.
func (w *watch) hear(s *detector.Signal) error {
	heard, err := w.register.Hear(s)
	if err != nil || heard != detector.Whole {
		return err
	}
	switch s.Kind {
	case detector.SignalClaim:
		w.claimed++
	case detector.SignalClosing:
		w.closed++
		w.taken(s.Partition, pidOf(s.Owner))
	}
	return nil
}

// pidOf returns the process of an owner, which begins with the machine's name and the process's number.
func pidOf(owner string) int {
	parts := strings.Split(owner, "/")
	pid, _ := strconv.Atoi(parts[min(1, len(parts)-1)])
	return pid
}

// taken notes that a process goes on with a partition.
func (w *watch) taken(partition int32, pid int) {
	w.open = slices.DeleteFunc(w.open, func(x *takeover) bool {
		if pid != x.pid {
			delete(x.left, partition)
		}
		if len(x.left) > 0 {
			return false
		}
		if x.disturbed {
			x.how += ", and more happened"
		}
		w.took[x.how] = append(w.took[x.how], time.Since(x.at))
		close(x.done)
		return true
	})
}

// decides looks whether somebody decides who has heard what was decided before. Only what is waited for before that is another reason
// not to be ready.
func (w *watch) decides() {
	w.mu.Lock()
	waited := slices.ContainsFunc(w.open, func(x *takeover) bool { return x.left[detector.Everybody] })
	pid := pidOf(w.register.Of(detector.Everybody).Owner)
	p := w.processes[pid]
	w.mu.Unlock()
	if !waited || p == nil {
		return
	}
	status, why := p.get("/readyz")
	for _, not := range []string{"Kafka", "joining", "taking up", "what was decided", "reading", "looking"} {
		if status == 0 || strings.Contains(why, not) {
			return
		}
	}
	w.mu.Lock()
	w.taken(detector.Everybody, pid)
	w.mu.Unlock()
}

func (w *watch) add(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes[p.cmd.Process.Pid] = p
}

// ended begins to measure. It returns what is closed once others have taken over.
func (w *watch) ended(how string, pid int) (done <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.processes, pid)
	x := &takeover{how: how, pid: pid, at: time.Now(), left: map[int32]bool{}, done: make(chan struct{})}
	for p := detector.Everybody; p < soakPartitions; p++ {
		if owner := w.register.Of(p).Owner; owner != "" && pidOf(owner) == pid {
			x.left[p] = true
		}
	}
	if len(x.left) == 0 {
		w.idle++
		close(x.done)
		return x.done
	}
	w.open = append(w.open, x)
	return x.done
}

// disturb says that something else happens now.
func (w *watch) disturb() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.open {
		x.disturbed = true
	}
}

func (w *watch) counts() (claims, closings int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.claimed, w.closed
}

// report says how long it took.
func (w *watch) report() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "takeover: until detection went on (%d that ended had nothing, of %d it is not over)", w.idle, len(w.open))
	for _, how := range slices.Sorted(maps.Keys(w.took)) {
		of := w.took[how]
		slices.Sort(of)
		at := func(share float64) float64 { return of[min(int(share*float64(len(of))), len(of)-1)].Seconds() }
		fmt.Fprintf(&b, "\n  after a %s, %d times: p50 %.1f s, p90 %.1f s, p95 %.1f s, max %.1f s", how, len(of), at(0.5), at(0.9), at(0.95), at(1))
	}
	return b.String()
}
