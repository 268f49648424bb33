package notify

import (
	"math"
	"strings"
	"testing"
	"time"
)

// What a measure rings, minute by minute. The limit: a ticket from 10 on, a page from 100 on, over at 5 and below, each for two
// minutes.
func TestWatch(t *testing.T) {
	limit := Limit{Raise: 10, Page: 100, Clear: 5, After: 2 * time.Minute, Hold: 2 * time.Minute}
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name     string
		limit    Limit
		measures []float64
		says     string // a letter a minute: . well, t ticket, p page
	}{
		{"quiet", limit, []float64{0, 9, 9, 9.9}, "...."},
		{"lasts", limit, []float64{10, 10, 10, 10}, "..tt"},
		{"too short", limit, []float64{0, 50, 50, 0, 50, 50, 0}, "......."},
		{"over once it has been low for long enough", limit, []float64{20, 20, 20, 5, 5, 5, 0}, "..ttt.."},
		{"wavers between the bounds", limit, []float64{20, 20, 20, 6, 9, 6, 9, 6}, "..tttttt"},
		{"flaps", limit, []float64{20, 20, 20, 0, 20, 0, 20, 0, 20, 0, 0, 0}, "..ttttttttt."},
		{"a page at once", limit, []float64{100, 100, 100}, "..p"},
		{"gets worse at once, and does not get better", limit, []float64{20, 20, 20, 100, 20, 20}, "..tppp"},
		{"worse before it is said", limit, []float64{20, 200, 20}, "..t"},
		{"never a page", Limit{Raise: 1, Clear: 0}, []float64{1, inf, 0}, "tt."},
		{"endless is a page", limit, []float64{inf, inf, inf}, "..p"},
		{"unknown is not well", limit, []float64{20, 20, 20, nan, nan, nan, nan}, "..ttttt"},
		{"unknown is no trouble", limit, []float64{nan, nan, nan, nan}, "...."},
		{"unknown breaks what was nearly said", limit, []float64{20, 20, nan, 20, 20, 20}, ".....t"},
		{"unknown breaks what was nearly over", limit, []float64{20, 20, 20, 0, 0, nan, 0, 0, 0}, "..tttttt."},
		{"at once", Limit{Raise: 1, Page: 1, Clear: 0, Hold: time.Minute}, []float64{1, 0, 0}, "pp."},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w Watch
			var says strings.Builder
			for i, m := range c.measures {
				w = w.Step(c.limit, m, testNow.Add(time.Duration(i)*time.Minute))
				says.WriteString(map[string]string{"": ".", "ticket": "t", "page": "p"}[string(w.Severity)])
				if (w.Severity == "") != w.Since.IsZero() {
					t.Errorf("minute %d: severity %q since %v", i, w.Severity, w.Since)
				}
			}
			if says.String() != c.says {
				t.Errorf("says %s, want %s", says.String(), c.says)
			}
		})
	}
	// It began when the measure came there, and a clock that is set back shortens no time.
	var w Watch
	for _, minute := range []int{0, 1, -60, -59, -58} {
		w = w.Step(limit, 50, testNow.Add(time.Duration(minute)*time.Minute))
		if (w.Severity != "") != (minute == -58) {
			t.Errorf("minute %d: %+v", minute, w)
		}
	}
	if want := testNow.Add(-60 * time.Minute); !w.Since.Equal(want) {
		t.Errorf("since %v, want %v", w.Since, want)
	}
}
