package profile

import (
	"math"
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// A request is measured at once, for its own leaf, against the mean request of the user's past.
func TestTokensAreMeasuredByRequest(t *testing.T) {
	table, _ := newHeard()
	request := func(at int64, leaf *cohort.Leaf, in, cached, out int64, change func(*event.Event)) *Moments {
		e, q := charge("u", at, 1)
		e.Input, e.Cached, e.Output, e.HasTokens = in, cached, out, true
		if change != nil {
			change(e)
		}
		return table.Fold(e, leaf, 0, q).Tokens
	}
	for i := range int64(40) {
		if m := request(monday+i*Bucket, plain, 1000, 500, 100, nil); i < minRequests && m != nil {
			t.Fatalf("request %d of a new user is measured: %+v", i, m)
		}
	}
	later := monday + 2*day
	other := &cohort.Leaf{Rollout: 7}
	for _, c := range []struct {
		why         string
		leaf        *cohort.Leaf
		in, out     int64
		cached      int64
		input, outs float64 // what is measured, as a ratio
		uncached    float64
		fresh       bool
		counts      bool
	}{
		{"as ever: nothing is said", plain, 1000, 100, 500, 1, 1, 1, true, false},
		{"three times the input: half way, for the past counts as one request", plain, 3000, 100, 1500, 2, 1, 1, false, false},
		{"three times the output: the third on this rollout, so the user counts", plain, 1000, 300, 500, 1, 2, 1, false, true},
		{"another meter in the same hour is another count", other, 1000, 100, 500, 1, 1, 1, true, false},
		{"nothing is cached any more", other, 1000, 100, 0, 1, 1, (1000 + 1000*0.55) / (2000 * 0.55), false, false},
		{"the first again: counted already", plain, 1000, 100, 500, 1, 1, 1, false, false},
	} {
		later += 60e9
		m := request(later, c.leaf, c.in, c.cached, c.out, nil)
		if m == nil || m.Leaf != c.leaf || m.At != later {
			t.Fatalf("%s: %+v", c.why, m)
		}
		for k, want := range map[cohort.Measure]float64{cohort.InputPerRequest: c.input, cohort.OutputPerRequest: c.outs, cohort.Uncached: c.uncached} {
			if got := math.Exp(m.X[k]); !m.Valid[k] || math.Abs(got-want) > 0.02*want {
				t.Errorf("%s: %s is %.3f, want %.3f", c.why, k, got, want)
			}
		}
		if m.Fresh != c.fresh || m.Counts != c.counts {
			t.Errorf("%s: fresh %v, counts %v", c.why, m.Fresh, m.Counts)
		}
		if want := math.Log(2) / asked; m.Counts && (math.Abs(m.Mean[cohort.InputPerRequest]-want) > 0.01 || math.Abs(m.Mean[cohort.OutputPerRequest]-want) > 0.01) {
			t.Errorf("%s: counts with %v, want a third of ln 2 each", c.why, m.Mean)
		}
	}
	later += cacheLife + 60e9
	if m := request(later, plain, 1000, 0, 100, nil); !m.Valid[cohort.Uncached] || m.X[cohort.Uncached] != 0 {
		t.Errorf("nothing cached after a pause is no news, yet it is measured as %v", m.X[cohort.Uncached])
	}
	for why, change := range map[string]func(*event.Event){
		"a failed request":      func(e *event.Event) { e.Status = event.Failed },
		"a penalty":             func(e *event.Event) { e.Kind = event.Penalty },
		"a row without tokens":  func(e *event.Event) { e.HasTokens = false },
		"what nobody asked for": func(e *event.Event) { e.Dims[event.Origin] = "background" },
	} {
		if m := request(later, plain, 1000, 500, 100, change); m != nil {
			t.Errorf("%s is measured: %+v", why, m)
		}
	}
	e, q := charge("u", later, 1)
	e.HasTokens = true
	if m := table.Fold(e, plain, cohort.Flags(0).With(cohort.Duplicate), q).Tokens; m != nil {
		t.Errorf("a repeated charge is measured: %+v", m)
	}
	// Hours and spans begin anew.
	for i := range int64(asked) {
		m := request(later+4*cohort.Hour+i*60e9, plain, 1000, 500, 100, nil)
		if m.Fresh != (i == 0) || m.Counts != (i == asked-1) {
			t.Errorf("request %d of the next span: fresh %v, counts %v", i, m.Fresh, m.Counts)
		}
	}
}

// Requests that alternate between two meters count the user once on each, and a third makes the one longest unused go.
func TestTokensOfAlternatingRollouts(t *testing.T) {
	var s tokenSpans
	counts := map[uint8]int{}
	for i := range 12 {
		m := Moments{}
		m.X[cohort.InputPerRequest] = float64(i % 2)
		r := uint8(i % 2 * 40) // 40 and 8 share a bit of the hour, 40 and 0 do not
		s.see(100*cohort.Hour, r, &m)
		if m.Counts {
			counts[r]++
			if got := m.Mean[cohort.InputPerRequest]; math.Abs(got-float64(i%2)) > 0.002 {
				t.Errorf("rollout %d counts with %v", r, got)
			}
		}
		if m.Fresh != (i < 2) {
			t.Errorf("request %d: fresh %v", i, m.Fresh)
		}
	}
	if counts[0] != 1 || counts[40] != 1 {
		t.Errorf("counted %v", counts)
	}
	for range asked {
		m := Moments{}
		if s.see(100*cohort.Hour, 9, &m); m.Counts {
			counts[9]++
		}
	}
	if counts[9] != 1 || s.latest[1].rollout != 40 {
		t.Errorf("counted %v; latest %+v", counts, s.latest)
	}
}

// Within a brief span a user counts once, with the mean of three requests; a span begins with a request, so that nobody counts
// twice in a shorter time.
func TestTokensCountBriefly(t *testing.T) {
	table, _ := newHeard()
	at := monday
	fold := func() *Moments {
		e, q := charge("u", at, 1)
		e.Input, e.Output, e.HasTokens = 1000, 100, true
		return table.Fold(e, plain, 0, q).Tokens
	}
	for ; at < monday+40*Bucket; at += Bucket {
		fold()
	}
	began := at + 2*day
	var counted []int64
	for at = began; at < began+4*cohort.BriefSpan; at += 60e9 {
		if m := fold(); m == nil {
			t.Fatalf("after %v: not measured", at-began)
		} else if m.Brief {
			counted = append(counted, (at-began)/60e9)
		}
	}
	if want := []int64{2, 27, 52, 77}; !slices.Equal(counted, want) {
		t.Errorf("counts after %v minutes, want %v", counted, want)
	}
	// Runs on two rollouts in turn, of a program and its owner's client, are one user's all the same.
	var s tokenSpans
	counted = nil
	for i := range int64(50) {
		var m Moments
		if s.see(began+i*60e9, uint8(1+i/4%2), &m); m.Brief {
			counted = append(counted, i)
		}
	}
	if want := []int64{2, 27}; !slices.Equal(counted, want) {
		t.Errorf("on two rollouts counts after %v minutes, want %v", counted, want)
	}
}
