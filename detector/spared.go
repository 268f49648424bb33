package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/stats/changepoint"
)

// sparing is how a fault spares rows, learned from those between the first that it hit and the last.
type sparing struct {
	row, again float64 // chances that a row of somebody whom it hits is right, and that it is where the one before was
	user       float64 // and that it hits somebody
	of         map[uint64]*hitUser
}

// hitUser is what the rows of a user say.
type hitUser struct {
	hit, right bool    // a row was hit; the last one was right
	spared     float64 // rows that were right after the fault had begun, of somebody whom it may not hit
	before     float64 // the same before its first sign, as far as was looked back
}

// learnSparing looks at the rows from the first that a fault hit on. What comes after the last is no longer its own.
func learnSparing(rows []ledger.Chance) *sparing {
	s := &sparing{of: map[uint64]*hitUser{}}
	last := 0
	for i, c := range rows {
		if c.Hit {
			last = i
		}
	}
	var all, right, twice, followed, users float64
	for _, c := range rows[:last+1] {
		u := s.of[c.User]
		if u == nil {
			u = &hitUser{}
			s.of[c.User] = u
		}
		switch {
		case u.hit: // its first hit is how it got here, and says nothing
			all++
			if u.right {
				followed++
			}
			if !c.Hit {
				right++
			}
			if !c.Hit && u.right {
				twice++
			}
		case c.Hit:
			u.hit = true
			users++
		default:
			u.spared++
		}
		u.right = !c.Hit
	}
	s.row = missed(all, right)
	s.again = max((twice+0.5)/(followed+1), s.row)
	n := float64(len(s.of))
	s.user = 1 - missed(n-1, n-users) // of the others than the one with whom it began to show
	lucky := map[float64]float64{}    // users of whom no row was hit, by how many were spared
	for _, u := range s.of {
		if !u.hit {
			lucky[u.spared]++
		}
	}
	spared := sortedKeys(lucky)
	for range hitRounds {
		if users == n {
			break
		}
		hit := users + 0.5
		for _, k := range spared {
			hit += lucky[k] * s.mayHit(k)
		}
		s.user = min(hit, n) / (n + 1)
	}
	return s
}

// hitRounds is how often the share of users whom a fault hits is made better by those who may only have been lucky.
const hitRounds = 20

// mayHit is the chance that a fault hits somebody of whom all of so many rows were right.
func (s *sparing) mayHit(rows float64) float64 {
	x := s.user * s.spared(rows)
	return x / (x + 1 - s.user)
}

// missed is the chance of what was seen k of n times to be seen the next time, where as likely as not it never happens, and else every
// share is as likely as Jeffreys' prior has it: faults that hit all rows of a scope are frequent, and none spares one in a million.
func missed(n, k float64) float64 {
	some := (k + 0.5) / (n + 1)
	if k > 0 {
		return some
	}
	a, _ := math.Lgamma(n + 0.5)
	b, _ := math.Lgamma(n + 1)
	none := math.Exp(a-b) / math.Sqrt(math.Pi) // how likely it is by Jeffreys' prior to see none of n
	return some * none / (1 + none)
}

// next returns by how much one more row that was right makes it less likely that the fault was on by then.
func (s *sparing) next(user uint64) float64 {
	u := s.of[user]
	if u == nil {
		u = &hitUser{}
		s.of[user] = u
	}
	u.before++
	now := s.row
	if u.before > 1 {
		now = s.again
	}
	if u.hit {
		return now
	}
	w := s.mayHit(u.spared)
	before := w * s.spared(u.before-1)
	return (1 - w + before*now) / (1 - w + before)
}

// spared is the chance that n rows in a row of somebody whom the fault hits are right.
func (s *sparing) spared(n float64) float64 {
	if n == 0 {
		return 1
	}
	return s.row * math.Pow(s.again, n-1)
}

// switchedOn returns since when at the earliest a fault may have been on whose first affected row is that with an index, or 0 if the rows
// before do not tell. No row bears the flag in quiet times, so it had begun by then; the longer ago a row was right, the less likely that
// it had begun before that. The moment is dated back to the row before it: a clock or two may be off by less than what lies between rows.
func switchedOn(rows []ledger.Chance, first int) int64 {
	s := learnSparing(rows[first:])
	at := rows[first].At
	var ago, odds []float64
	for i := first - 1; i >= 0; i-- {
		if c := rows[i]; !c.Hit {
			ago, odds = append(ago, float64(at-c.At)), append(odds, s.next(c.User))
		}
	}
	if len(ago) == 0 {
		return 0
	}
	back := changepoint.Back(ago, odds, 2*ago[len(ago)-1], incident.OnsetLevel)
	if i, _ := slices.BinarySearch(ago, back); i < len(ago) {
		return at - int64(ago[i])
	}
	return 0
}
