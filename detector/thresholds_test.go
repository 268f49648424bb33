package detector

import (
	"math"
	"strings"
	"testing"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
)

// The budget is spent once, and pages get one of ten false alarms.
func TestRulesShareTheBudget(t *testing.T) {
	all, pages := 0.0, 0.0
	names := map[string]bool{}
	for r := range NumRules {
		i := r.Info()
		if i.Name == "" || i.What == "" || i.Unit == "" || i.Nominal == "" || names[i.Name] || !(i.Share > 0) || i.Default < i.Least {
			t.Errorf("rule %d: %+v", r, i)
		}
		names[i.Name] = true
		all += r.Allowance(Budget)
		if i.Loudest == incident.Page {
			pages += r.Allowance(Budget)
		}
	}
	if math.Abs(all-10) > 1e-9 || pages > 1 {
		t.Errorf("%v false alarms in all, %v pages", all, pages)
	}
}

func TestThresholdsReachTheRules(t *testing.T) {
	s := shardOf(t, Options{Thresholds: Thresholds{RuleVolume: 50, RuleRows: 12.5}})
	want := profile.DefaultLimits()
	want[profile.RuleVolume] = 50
	if s.users.Limits != want || s.users.SuspectRows != 13 {
		t.Errorf("%v, %d rows", s.users.Limits, s.users.SuspectRows)
	}
	for _, bad := range []float64{-1, 2.9, 2e6, math.NaN(), math.Inf(1)} {
		o := Options{Thresholds: Thresholds{RuleVolume: bad}}
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "thresholds.volume") {
			t.Errorf("threshold %v: %v", bad, err)
		}
	}
}
