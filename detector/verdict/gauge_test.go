package verdict

import (
	"strings"
	"testing"
)

// What is said of windows that run dry: only of enough of them, and only where it is not as usual.
func TestRunningDry(t *testing.T) {
	for _, c := range []struct {
		name      string
		now, base *Period
		want      string // "" is nothing
	}{
		{"far more than usual", &Period{Budgeted: 400, Dry: 124}, &Period{Budgeted: 400, Dry: 16}, "31.0% of everybody will run dry before their window ends, usually 4.0%"},
		{"none are usual", &Period{Budgeted: 100, Dry: 5}, &Period{Budgeted: 100}, "5.0% of everybody will run dry before their window ends, usually 0%"},
		{"as usual", &Period{Budgeted: 400, Dry: 20}, &Period{Budgeted: 400, Dry: 16}, ""},
		{"twice as usual, of next to none", &Period{Budgeted: 4000, Dry: 16}, &Period{Budgeted: 4000, Dry: 8}, ""},
		{"too few users", &Period{Budgeted: 19, Dry: 19}, &Period{Budgeted: 400, Dry: 1}, ""},
		{"no past", &Period{Budgeted: 400, Dry: 124}, &Period{}, ""},
		{"no budgets", nil, nil, ""},
	} {
		var got []string
		for _, e := range runningDry(&Figures{Runs: c.now, RunsBase: c.base}) {
			got = append(got, e.Text)
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}
