package detector_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
)

// Two faults begin together in cohorts that cross: a price for one plan, a lost discount in one region. Each is told as itself, and a
// row that bears both is owed once.
func TestFaultsThatCrossAreTold(t *testing.T) {
	const input, cached, output = 1_250_000_000, 125_000_000, 10_000_000_000 // nano-credits a million tokens
	start := time.Date(2026, 6, 24, 6, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(3, 4))
	var rows []detector.Record
	var owed event.Sum
	for i := range 5000 {
		at := start.Add(time.Duration(i) * 3 * time.Second)
		u := rng.IntN(60)
		e := &event.Event{ID: fmt.Sprint("r", i), RequestID: fmt.Sprint("q", i), User: fmt.Sprint("u", u), Time: at.UnixNano(), HasTokens: true}
		e.Dims[event.Model], e.Dims[event.Plan], e.Dims[event.Region] = "m", []string{"pro", "team"}[u%2], []string{"eu", "us", "ap"}[u%3]
		e.Input, e.Output = 2000+rng.Int64N(9000), 50+rng.Int64N(900)
		if rng.IntN(5) > 0 {
			e.Cached = e.Input * (4 + rng.Int64N(5)) / 10
		}
		list := (e.Input-e.Cached)*input + e.Cached*cached + e.Output*output
		charge := list
		if at.Sub(start) > 2*time.Hour {
			if e.Dims[event.Region] == "eu" {
				charge += e.Cached * (input - cached)
			}
			if e.Dims[event.Plan] == "pro" {
				charge *= 3
			}
		}
		e.Credits = event.Credits(charge / 1e6)
		owed.Add(event.Credits(charge/1e6) - event.Credits(list/1e6))
		rows = append(rows, detector.Record{Offset: int64(i), Value: string(e.AppendJSON(nil))})
	}
	o := detector.Options{RateCard: []price.Entry{{Model: "m", Input: input, Cached: cached, CacheWrite: input, Output: output}}}
	out := replay(t, o, split(t, rows, 2))
	var got []string
	var told event.Sum
	for _, r := range out.final() {
		got = append(got, kindText(r))
		told.AddSum(r.Overcharge)
	}
	slices.Sort(got)
	want := []string{"metering_bug/cache_discount_lost cohort map[region:eu]", "metering_bug/price cohort map[plan:pro]"}
	if !slices.Equal(got, want) {
		t.Errorf("told are %q, want %q", got, want)
	}
	if off := told.Float64() - owed.Float64(); off > 1e-5 || off < -1e-5 { // a unit a row is how a half is rounded
		t.Errorf("owed are %v, told %v", owed, told)
	}
}
