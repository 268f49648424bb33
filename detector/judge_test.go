package detector

import (
	"maps"
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Of other incidents of the same rows each explains its own factor, but for the one that the verdict is about. A client's fault explains
// to a meter's what else it moves, not to another client's: which of the two moved it is not known.
func TestOthersOfTheSameRows(t *testing.T) {
	of := func(id string, by seenBy, cause verdict.Cause, from, to int64, where ...cohort.Cond) *live {
		return &live{
			Incident: incident.Incident{ID: id, Finding: incident.Finding{Cause: cause}}, finding: incident.Finding{Verdict: verdict.Verdict{Factors: []verdict.Factor{{Name: id}}}},
			by: by, where: cohort.NewWhere(where...), onset: from, lastHit: to,
		}
	}
	cli, newest, pro := cohort.Cond{Dim: event.Client, Value: "cli"}, cohort.Cond{Dim: event.ClientVersion, Value: "2"}, cohort.Cond{Dim: event.Plan, Value: "pro"}
	failures := of("failures", byFlag, verdict.FailuresCharged, 10, 20, cli)
	loop := of("loop", byMeasure, verdict.RequestLoop, 12, 30, newest)
	price := of("price", byFlag, verdict.Price, 5, 15, pro)
	f := &fleet{lives: []*live{
		failures, loop, price,
		of("later", byMeasure, verdict.CacheMiss, 31, 40, newest),
		of("elsewhere", byMeasure, verdict.CacheMiss, 10, 20, cohort.Cond{Dim: event.Client, Value: "web"}, cohort.Cond{Dim: event.ClientVersion, Value: "1"}, cohort.Cond{Dim: event.Plan, Value: "free"}),
		of("surge", bySurge, verdict.Surge, 10, 11),
	}}
	for _, c := range []struct {
		of     *live
		by     map[string]string
		beside string
	}{
		{failures, map[string]string{"requests": "loop", "turns": "surge"}, "loop"},
		{loop, map[string]string{"price": "failures"}, ""},
		{price, map[string]string{"requests": "loop", "turns": "surge"}, "loop"},
	} {
		by, beside := f.others(c.of, c.of.Cause)
		if !maps.Equal(by, c.by) || len(beside) > 1 || (c.beside == "") != (len(beside) == 0) || slices.ContainsFunc(beside, func(b verdict.Beside) bool { return b.Incident != c.beside || b.Factors[0].Name != c.beside }) {
			t.Errorf("%s: %v, beside %v; want %v, %q", c.of.ID, by, beside, c.by, c.beside)
		}
	}
}
