//go:build unix

package detector

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// The widest question takes no more than 50 ms of processor time at 2,000 leaves over a day: the best of several.
func TestRollupIsFast(t *testing.T) {
	if testing.Short() {
		t.Skip("timing")
	}
	r := busyDay(2000)
	q := &CohortQuery{By: []event.Dim{event.Model}, From: r.From(), To: r.At, Step: cohort.Five, Most: 100, Rank: byCredits, Fields: charged}
	var took []time.Duration
	for range 9 {
		before := cpuTime(t)
		if a := r.Ask(q); a.Others != 1900 || len(a.Cohorts[0].Steps) != 288 {
			t.Fatalf("%d others", a.Others)
		}
		took = append(took, cpuTime(t)-before)
	}
	if slices.Min(took) > 50*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

// cpuTime returns how long this process has worked, which does not depend on what else the machine does.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
