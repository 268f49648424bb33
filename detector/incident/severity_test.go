package incident

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

var defaults = Rules{PageFactor: 1.5, MinUsers: 5, Material: 10_000 * event.Credit}

// The contract's defaults, each on both sides of its boundary.
func TestSeverity(t *testing.T) {
	pro := where("plan", "pro")
	// meter is a bug that charged 150 where over of it should not have been, for an hour.
	meter := func(users int, charged float64, over string) Finding {
		return Finding{Cause: verdict.Price, Scope: pro, Users: users, Charged: charged, Overcharge: sum(over), StartedAt: noon, LastAt: noon + cohort.Hour}
	}
	of := func(c verdict.Cause, f Finding) Finding { f.Cause = c; return f }
	in := func(s Scope, f Finding) Finding { f.Scope = s; return f }
	soon := func(f Finding) Finding { f.LastAt = f.StartedAt + cohort.Hour - 1; return f }
	busy := func(f Finding) Finding {
		f.Verdict = verdict.Verdict{Ratio: 9, HasRatio: true, Factors: []verdict.Factor{{Name: "users", Value: 9}}}
		return f
	}
	ratio := func(c verdict.Cause, s Scope, users int, x float64) Finding {
		return Finding{Cause: c, Scope: s, Users: users, Verdict: verdict.Verdict{Ratio: x, HasRatio: true}}
	}

	for _, c := range []struct {
		why  string
		f    Finding
		want Severity
	}{
		{"a meter that charges 1.5 times", meter(5, 150, "50"), Page},
		{"a hundredth below is measured as that", meter(5, 150, "49.6"), Page},
		{"clearly below", meter(5, 150, "48"), Ticket},
		{"too few users", meter(4, 150, "50"), Ticket},
		{"more than material, however little it multiplies", meter(5, 1e6, "10000.000000001"), Page},
		{"material exactly is not more", meter(5, 1e6, "10000"), Ticket},
		{"more than material of few users is as much money", meter(2, 1e6, "10001"), Page},
		{"more than material of one user is one user's ticket", meter(1, 1e6, "10001"), Ticket},
		{"a bug that hits one user", in(UserScope("u"), meter(1, 1500, "1400")), Ticket},
		{"a user's bug stays a ticket whatever the count says", in(UserScope("u"), meter(9, 1e6, "900000")), Ticket},
		{"everything charged is too much: the multiple is bounded, not infinite", meter(5, 150, "150"), Page},
		{"nothing was charged", meter(5, 0, "0"), Ticket},

		{"a client's loop of 1.5 times", of(verdict.RequestLoop, meter(5, 150, "50")), Page},
		{"below", of(verdict.RequestLoop, meter(5, 150, "45")), Ticket},
		{"too few users for a client's fault", of(verdict.RequestLoop, meter(4, 900, "800")), Ticket},
		{"a busy hour does not page: what was charged was due", busy(of(verdict.RequestLoop, meter(5, 150, "20"))), Ticket},

		{"failures charged, in their first hour: an outage bundles them", soon(of(verdict.FailuresCharged, meter(500, 150, "100"))), Ticket},
		{"material pages in the first hour as well", soon(of(verdict.FailuresCharged, meter(500, 1e6, "10001"))), Page},
		{"failures charged for an hour", of(verdict.FailuresCharged, meter(500, 150, "50")), Page},
		{"penalties in their first hour need twice the excess", soon(of(verdict.Penalty, meter(500, 150, "70"))), Ticket},
		{"and page with it", soon(of(verdict.Penalty, meter(500, 200, "100"))), Page},
		{"penalties for an hour", of(verdict.Penalty, meter(500, 150, "50")), Page},
		{"a wrong price is sure at once", soon(meter(5, 150, "50")), Page},

		{"under-metering wakes nobody", of(verdict.UnderPrice, meter(5000, 1e6, "-9000000")), Ticket},
		{"abuse by a single account", ratio(verdict.StolenKey, UserScope("u"), 1, 50), Ticket},
		{"abuse by linked accounts", ratio(verdict.Farming, UsersScope([]string{"a", "b"}, "device"), 2, 0), Ticket},
		{"the unknown, five times over a cohort", ratio(verdict.Unexplained, pro, 5, 5), Page},
		{"the unknown in a busy hour: what is too much is not five times", busy(of(verdict.Unexplained, meter(500, 150, "100"))), Ticket},
		{"the unknown, five times what it should have been", busy(of(verdict.Unexplained, meter(500, 150, "120"))), Page},
		{"the unknown below that", ratio(verdict.Unexplained, pro, 5, 4.99), Ticket},
		{"the unknown of a few", ratio(verdict.Unexplained, pro, 4, 50), Ticket},
		{"the unknown of one user", ratio(verdict.Unexplained, UserScope("u"), 1, 50), Ticket},
		{"a surge is nobody's fault", ratio(verdict.Surge, where(), 1e6, 50), Info},
		{"nor is a busy person", ratio(verdict.PowerUser, UserScope("u"), 1, 50), Info},
	} {
		if got := defaults.Severity(&c.f, false); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
		if got := defaults.Severity(&c.f, true); got != Info {
			t.Errorf("%s, in the past of a first start: %s, want info", c.why, got)
		}
	}
}

func TestSeverityIsConfigurable(t *testing.T) {
	f := Finding{Cause: verdict.Price, Scope: where(), Users: 3, Charged: 130, Overcharge: sum("30"), LastAt: cohort.Hour}
	for _, c := range []struct {
		rules Rules
		want  Severity
	}{
		{defaults, Ticket},
		{Rules{PageFactor: 1.3, MinUsers: 3, Material: defaults.Material}, Page},
		{Rules{PageFactor: 1.3, MinUsers: 4, Material: defaults.Material}, Ticket},
		{Rules{PageFactor: 1.4, MinUsers: 3, Material: defaults.Material}, Ticket},
		{Rules{PageFactor: 1.4, MinUsers: 3, Material: 29 * event.Credit}, Page},
	} {
		if got := c.rules.Severity(&f, false); got != c.want {
			t.Errorf("%+v: %s, want %s", c.rules, got, c.want)
		}
	}
}
