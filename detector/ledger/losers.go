package ledger

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// losersRounds is how often it is weighed anew who is hit; what is told settles in fewer.
const losersRounds = 50

// missing tells what is missing: who is hit, how much of what they did is left, and what that comes to for all.
func (c *claim) missing() {
	l, users := c.loss, sorted(c.users)
	end := l.lasted()
	lost, ok := l.share(c.losers(users, end))
	if !ok {
		lost, end = 1-min(c.fewer(), 1-c.Lost), math.MaxInt64
		for _, user := range users {
			c.users[user].hit = 1
		}
	}
	l.keep = min(max(1-lost, mostShort), 1)
	there, due, hit := 0.0, 0.0, 0.0
	for _, user := range users {
		a := c.users[user]
		x := a.until(end)
		if all := a.charged.Float64(); all > 0 {
			a.part = min(x.charged.Float64()/all, 1)
		}
		rows := float64(x.rows)
		there += rows
		due += rows * (1 + a.hit*(1/l.keep-1))
		hit += rows * a.hit / l.keep
	}
	if due == 0 {
		return
	}
	of := hit / due
	l.left = verdict.Left{Requests: there / due, Turns: 1 - of + of*l.turns.left(l.keep), Users: 1 - of + of*l.hours.left(l.keep)}
}

// losers weighs of each user how likely the loss hits them until end, and returns how many requests of those whom it does could show
// gaps, and how many do. A fault may hit some of a cohort, and the others hide how much it takes of those: they are two kinds of users, of
// whom the one shows as many gaps as the past does, the other more; how many are of which and how much more is fitted by
// expectation and maximisation (Dempster, Laird and Rubin, 1977).
func (c *claim) losers(users []string, end int64) (could, show float64) {
	all := make([]gaps, len(users))
	for i, user := range users {
		all[i] = c.users[user].until(end).gaps
		could, show = could+float64(all[i].could), show+float64(all[i].show)
	}
	quiet := c.loss.quiet()
	kind := 0.5
	for range losersRounds {
		rate := max(show/max(could, 1), quiet)
		could, show = 0, 0
		sum, tell := 0.0, 0.0
		for i, user := range users {
			a, g := c.users[user], &all[i]
			odds := math.Log(kind) - math.Log1p(-kind) + g.likely(rate) - g.likely(quiet)
			a.hit = 1 / (1 + math.Exp(-odds))
			could += a.hit * float64(g.could)
			show += a.hit * float64(g.show)
			if g.could > 0 {
				sum, tell = sum+a.hit, tell+1
			}
		}
		if tell > 0 {
			kind = min(max(sum/tell, 1e-6), 1-1e-6)
		}
	}
	return could, show
}

// charged returns which share a user was charged of what should have been since the incident began.
func (l *loss) charged(a *account) float64 { return 1 / (1 + a.hit*a.part*(1/l.keep-1)) }

// tell notes what a request in the incident shows. A user's come nearly in order.
func (a *account) tell(it *cohort.Row) {
	at := it.Event.Time / cohort.Five
	if n := len(a.told); n == 0 || a.told[n-1].at < at {
		a.told = append(a.told, told{at: at})
	}
	x := &a.told[len(a.told)-1]
	x.add(it)
	x.rows++
	x.charged.Add(it.Event.Credits)
}

// until sums what a user's requests show up to the stretch end.
func (a *account) until(end int64) (sum told) {
	for i := range a.told {
		if x := &a.told[i]; x.at <= end {
			sum.could, sum.show, sum.rows = sum.could+x.could, sum.show+x.show, sum.rows+x.rows
			sum.charged.AddSum(x.charged)
		}
	}
	return sum
}
