package detector

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Longer prompts that come with more requests of each user are people's; a meter's come alone, or with longer answers.
func TestBusier(t *testing.T) {
	const onset = int64(20_000) * 24 * cohort.Hour
	for _, c := range []struct {
		why                     string
		requests, input, output float64
		want                    bool
	}{
		{"prompts alone", 100, 300_000, 30_000, false},
		{"more requests, with longer prompts", 400, 800_000, 120_000, true},
		{"more requests, with longer prompts and answers", 400, 800_000, 240_000, false},
		{"a few more requests", 150, 300_000, 45_000, false},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		f.first = onset - 48*cohort.Hour
		for h := f.first; h < onset; h += cohort.Hour {
			f.hours[h] = &verdict.Period{Users: 10, Requests: 100, Rows: 100, Input: 100_000, Output: 30_000}
		}
		l := &live{by: byMeasure, onset: onset, lastHit: onset + 3*cohort.Hour - 1}
		n := 3.0
		l.inside = cohort.Cell{Users: 30, Requests: int64(n * c.requests), Rows: int64(n * c.requests), Input: int64(n * c.input), Output: int64(n * c.output)}
		l.hit = period(&l.inside)
		if got := f.busier(l); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}
