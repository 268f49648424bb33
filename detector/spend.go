package detector

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/stats/sequential"
)

// What is found of single users' behaviour passes here before it is said. Every user of a week is a hypothesis, "what they do
// is innocent", and the rules that cry are its e-value: thresholds that keep their shares of Budget are each passed by chance
// with probability Share·Budget/10⁶ a user and week, so that
//
//	e = (rules that cry)/(Budget/10⁶)
//
// has a mean of at most 1, however the rules depend on each other. A sequential.EBudget of a week says whether it is enough, and
// bounds what is said in vain under any dependence between users: at most Budget a million users, and falseShare of what is
// said beyond. As long as nothing shifts all users, every finding by calibrated thresholds is enough.
//
// What shifts all users at once (a release that gives every device a new name) makes e-values wrong rather than dependent. It
// shows in the many that come near a threshold: where they are more than twice as many as usual, by q′ users instead of q, nats
// count for ln q/ln q′ times less, as the inflation of test statistics is taken out in genetics (Devlin and Roeder, Genomic
// Control for Association Studies, 1999). What is held for that comes again every hour while its evidence stands.
const (
	falseShare = 0.1
	week       = 7 * 24 * cohort.Hour

	nearBy    = 0.5 // of a threshold
	nearMost  = 100_000
	nearUsers = 20 // below which a few who do much are no shift
	nearTimes = 2  // the usual that working days reach
	nearDays  = 14 // that the usual stands on
)

// spending is what the fleet knows of how findings of single users come.
type spending struct {
	week  int64
	tests sequential.EBudget // of that week
	near  int64              // users who came near a threshold since the last hour
	hours [24]int64          // the same by hour of the last day
	at    int
	usual float64 // in a day
	days  float64 // that this stands on
	held  int64   // findings
}

// approach counts a user who comes near a threshold, once a day.
func (s *shard) approach(f *profile.Finding) {
	if !f.Near(nearBy) {
		return
	}
	last, known := s.near[f.User]
	if known && f.At-last < 24*cohort.Hour || !known && len(s.near) >= nearMost {
		return
	}
	s.near[f.User] = f.At
	s.nearNow++
}

// forgetNear drops who came near a threshold more than a day before at.
func (s *shard) forgetNear(at int64) {
	for user, last := range s.near {
		if at-last >= 24*cohort.Hour {
			delete(s.near, user)
		}
	}
}

// hour ends an hour; once in a day it learns how many are usual.
func (s *spending) hour(now int64) {
	s.hours[s.at] = s.near
	s.near = 0
	if s.at++; s.at == len(s.hours) {
		s.at = 0
		s.days = min(s.days+1, nearDays)
		s.usual += (float64(s.today()) - s.usual) / s.days
	}
}

// today returns how many came near a threshold within a day.
func (s *spending) today() (n int64) {
	for _, x := range s.hours {
		n += x
	}
	return n + s.near
}

// inflation returns by how much the nats of single users count for less, 1 while nothing shifts them all.
func (s *spending) inflation(users float64) float64 {
	now, usual := min(float64(s.today()), users), max(s.usual, 1)
	if s.days == 0 || now < nearUsers || now <= nearTimes*usual {
		return 1
	}
	return math.Log(users/usual) / math.Log(users/(now/nearTimes))
}

// spend says whether a finding of a user is worth the budget.
func (f *fleet) spend(u *profile.Finding) bool {
	s := &f.spent
	if w := f.now / week; w != s.week {
		s.week, s.tests = w, sequential.EBudget{}
	}
	users := 0.0
	for _, n := range f.users {
		users += float64(n)
	}
	nats := math.Log(float64(max(u.Strong(), 1)) * 1e6 / Budget)
	if s.tests.Test(nats/s.inflation(users)+1e-9, users, users*Budget/1e6, falseShare) {
		return true
	}
	s.held++
	return false
}
