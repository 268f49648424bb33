package detector_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// Penalties empty windows: the incident says how many more run dry than usual, and how every plan stands is in the summary and
// in the metrics.
func TestRunsDryEarly(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	t.Parallel()
	s, out := load(t, "penalties"), play(t, "penalties")
	dry := slices.IndexFunc(out.final()[0].Evidence, func(e incident.Evidence) bool { return e.Code == "runs_dry_early" })
	if dry < 0 {
		t.Fatalf("nothing said of windows that run dry: %+v", out.final()[0].Evidence)
	}
	if e := out.final()[0].Evidence[dry]; !(*e.Observed > 1.5**e.Expected) || !(*e.Expected > 0) {
		t.Errorf("%s", e.Text)
	}

	plans := out.summary.Plans
	if len(plans) != len(s.Plans) || !slices.IsSortedFunc(plans, func(a, b detector.PlanState) int { return strings.Compare(a.Plan, b.Plan) }) {
		t.Fatalf("%d plans of %d, or out of order", len(plans), len(s.Plans))
	}
	for _, p := range plans {
		if p.Users == 0 || p.Dry > p.Users || p.Within1h > p.Within5h || p.Within5h > p.Users || p.WeekDry > p.WeekUsers || p.UsualShare == nil {
			t.Errorf("%+v", p)
		}
	}
	families, err := out.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
	}
	if n := len(plans); series["drainwatch_plan_dry_ratio"] != n || series["drainwatch_plan_dry_usual_ratio"] != n || series["drainwatch_plan_burn_credits_per_hour"] != 2*n {
		t.Errorf("series by name: %v", series)
	}
}
