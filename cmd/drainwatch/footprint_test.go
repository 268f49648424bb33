package main

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	footprintEvery  = 2 * time.Second
	footprintParts  = 4   // of a soak, which are compared
	footprintEnough = 100 // samples of a part to compare
	footprintGrowth = 1.25
)

var footprintMeasures = []string{"go_goroutines", "process_resident_memory_bytes", "process_open_fds"}

// footprint is what instances take while a soak goes on: they do not live long in it, but who takes over must not take more and more.
type footprint struct {
	began time.Time
	at    []time.Duration
	of    [][]float64 // by measure, one for each time
}

// start asks every instance that lives until stop is called.
func (f *footprint) start(w *watch) (stop func()) {
	f.began, f.of = time.Now(), make([][]float64, len(footprintMeasures))
	done := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(footprintEvery):
			}
			w.mu.Lock()
			all := slices.Collect(maps.Values(w.processes))
			w.mu.Unlock()
			for _, p := range all {
				if status, metrics := p.get("/metrics"); status == http.StatusOK {
					f.add(metrics)
				}
			}
		}
	})
	return func() {
		close(done)
		asking.Wait()
	}
}

// add takes what an instance says of itself; where a system does not tell all of it, nothing.
func (f *footprint) add(metrics string) {
	var values []float64
	for _, name := range footprintMeasures {
		m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(metrics)
		if m == nil {
			return
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return
		}
		values = append(values, v)
	}
	f.at = append(f.at, time.Since(f.began))
	for i, v := range values {
		f.of[i] = append(f.of[i], v)
	}
}

// check says what was taken in each part of the time, and expects of a long soak that the last part takes no more than the second: in the
// first there is less to know.
func (f *footprint) check(t *testing.T) {
	t.Helper()
	if len(f.at) == 0 {
		t.Log("instances: this system does not tell what they take")
		return
	}
	var b strings.Builder
	whole := f.at[len(f.at)-1] + 1
	for i, name := range footprintMeasures {
		var medians []float64
		fmt.Fprintf(&b, "\n  %s, median and most:", name)
		enough := true
		for part := range time.Duration(footprintParts) {
			var of []float64
			for n, at := range f.at {
				if at*footprintParts/whole == part {
					of = append(of, f.of[i][n])
				}
			}
			enough = enough && len(of) >= footprintEnough
			if len(of) == 0 {
				continue
			}
			slices.Sort(of)
			medians = append(medians, of[len(of)/2])
			fmt.Fprintf(&b, " %.4g %.4g;", of[len(of)/2], of[len(of)-1])
		}
		if enough && medians[footprintParts-1] > footprintGrowth*medians[1] {
			t.Errorf("%s grows: %.4g at the median of the second quarter, %.4g of the last", name, medians[1], medians[footprintParts-1])
		}
	}
	t.Logf("instances, by quarters of %v, %d samples:%s", whole.Round(time.Second), len(f.at), b.String())
}
