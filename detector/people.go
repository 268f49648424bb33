package detector

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// suspectWait is how long a single user's rows wait for a cohort to explain them.
const suspectWait = int64(60 * 1e9)

// person folds what a shard says of one user.
func (f *fleet) person(u profile.Finding) {
	switch u.Kind {
	case profile.Suspect:
		f.suspects = append(f.suspects, u)
	case profile.Drain:
		f.drain(&u)
	case profile.Righted:
		for _, l := range f.lives {
			if l.by == byFlag && l.user == u.User && l.flag == u.Flag && l.open() {
				l.righted = u.At
			}
		}
	case profile.Calm:
		if l := f.userLive(u.User, byUser); l != nil {
			l.finding.Over = true
			l.lasted(&u)
			f.update(l)
		}
	case profile.Accepted:
		if l := f.userLive(u.User, byUser); l != nil {
			l.finding.Over = true
			l.lasted(&u)
			l.finding.Verdict.Evidence = append(l.finding.Verdict.Evidence, verdict.Evidence{
				Code: "accepted_as_usual", Against: true, Observed: &u.Observed, Expected: &u.Expected,
				Text: fmt.Sprintf("has gone on for a week of active days and is taken for what the user does now: x%.2g of before", u.Ratio),
			})
			f.update(l)
		}
	}
}

func (f *fleet) userLive(user string, by seenBy) *live {
	for _, l := range f.lives {
		if l.by == by && l.user == user && l.open() {
			return l
		}
	}
	return nil
}

// lasted notes the last affected row, where that is known.
func (l *live) lasted(u *profile.Finding) {
	if u.Last != 0 {
		l.finding.LastAt = max(u.Last, l.finding.StartedAt)
	}
}

// resting returns the incident of a user that is over and goes on if they do.
func (f *fleet) resting(user string, by seenBy) *live {
	for _, l := range slices.Backward(f.lives) {
		if l.by == by && l.user == user && f.rests(l) {
			return l
		}
	}
	return nil
}

// rests says whether an incident is over and may go on.
func (f *fleet) rests(l *live) bool {
	return l.Status == incident.Resolved && l.MergedInto == "" && f.now-l.endedAt < reopenAfter
}

// drain opens or updates the incident of a user whose volume left their past. What a release or a busy day does to
// everybody around them explains it, unless somebody new is at work.
func (f *fleet) drain(u *profile.Finding) {
	if !f.warm {
		return
	}
	cause := verdict.OfDrain(u, f.o.Hearing)
	l := cmp.Or(f.userLive(u.User, byUser), f.resting(u.User, byUser))
	if l == nil {
		switch p := f.awaited(u, cause); {
		case cause.Class == verdict.Organic:
			return
		case f.farm(u.User) != nil:
			f.spared(u, "named_in_a_farm", "the account is named already, with others that are farmed like it")
			return
		case !u.New() && f.says(verdict.Released, f.moved(u.Leaf)):
			f.spared(u, "everybody_around", "everybody around does more: an incident or a surge covers the account")
			return
		case f.says(verdict.Planned, p != nil):
			f.spared(u, "planned", "the calendar expects it: %q", p.What)
			return
		case !f.spend(u):
			f.spared(u, "many_at_once", "so many accounts came near a threshold within a day (%d, usually %.0f) that one is no news", f.spent.today(), f.spent.usual)
			return
		}
		l = &live{by: byUser, user: u.User, onset: u.Since, openedAt: f.now}
	} else if !names(cause) {
		// Said once, it is not taken back while the drain goes on: a thief's device is no longer new the day after.
		l.finding.LastAt, l.finding.Over = u.At, false
		l.lasted(u)
		f.update(l)
		return
	}
	l.finding = incident.Finding{
		Cause: cause, Scope: incident.UserScope(u.User), Verdict: verdict.JudgeDrain(u, cause),
		StartedAt: began(u, cause), LastAt: u.At, Users: 1,
	}
	l.finding.Onset = drawnSince(u, cause)
	if l.ID != "" {
		l.finding.StartedAt, l.finding.Onset = l.StartedAt, l.Onset
	}
	l.lasted(u)
	l.finding.Severity = f.rules.Severity(&l.finding, f.quiet(l))
	f.tell(l)
}

// names says whether a cause names somebody new at work, and so may replace another.
func names(c verdict.Cause) bool { return c == verdict.StolenKey || c == verdict.SharedAccount }

// began returns when a drain began: with the new identity, with the even stretch, or with the evidence.
func began(u *profile.Finding, cause verdict.Cause) int64 {
	switch {
	case cause == verdict.StolenKey && u.NewSince > 0:
		return u.NewSince
	case cause == verdict.SharedAccount && u.NewFrom > 0:
		return crowdFrom(u)
	case cause == verdict.ScriptedDrain && u.EvenSince > 0:
		return u.EvenSince
	case cause == verdict.ScriptedDrain && u.Sleepless():
		hours := u.Bout
		if hours < profile.BoutHours {
			hours = float64(u.AwakeHours)
		}
		return max(u.Since, u.At-int64(hours*float64(cohort.Hour))) // evidence may go back to a busy evening before
	}
	return max(u.Since, 1)
}

// drawnSince returns between when and when a drain began: a thief with the first row of a new identity, which is known to the second; people
// who share an account come to it one by one; a script shows in stretches of rows. Evidence on volume alone dates nothing.
func drawnSince(u *profile.Finding, cause verdict.Cause) incident.Interval {
	const second = int64(1e9)
	switch {
	case cause == verdict.StolenKey && u.NewSince > 0:
		return incident.Interval{From: u.NewSince, To: u.NewSince + second - 1}
	case cause == verdict.SharedAccount && u.NewFrom > 0:
		from := crowdFrom(u)
		return incident.Interval{From: from - waited(int64(u.NewDevices), u.At-from), To: from + second - 1}
	case cause == verdict.ScriptedDrain && u.EvenSince > 0:
		return incident.Interval{From: u.EvenSince - profile.Bucket, To: u.EvenSince + profile.Bucket}
	}
	return incident.Interval{}
}

// crowdFrom returns when people came to share an account: with the first new identity, unless that came so long before anybody with both a
// device and a network of their own that it is the owner's: on another computer, or on the way.
func crowdFrom(u *profile.Finding) int64 {
	if u.CrowdFrom-u.NewFrom > waited(int64(u.NewDevices), u.At-u.CrowdFrom) {
		return u.CrowdFrom
	}
	return u.NewFrom
}

// moved says whether an open incident of behaviour covers a leaf.
func (f *fleet) moved(leaf *cohort.Leaf) bool {
	for _, l := range f.lives {
		if (l.by == byMeasure || l.by == bySurge || l.by == byCost) && l.open() && leaf != nil && l.where.Matches(&leaf.Values) {
			return true
		}
	}
	return false
}

// settleSuspects opens incidents of single users whose rows are off while no cohort's incident explains them.
func (f *fleet) settleSuspects() {
	if len(f.suspects) == 0 {
		return
	}
	users := map[cohort.Flag]map[string]bool{}
	for _, s := range f.suspects {
		if users[s.Flag] == nil {
			users[s.Flag] = map[string]bool{}
		}
		users[s.Flag][s.User] = true
	}
	waiting := f.suspects[:0]
	for _, s := range f.suspects {
		switch {
		case !alone(s.Flag) || !f.o.Hearing.Hears(verdict.SignalOf(s.Flag)) || !f.ready(s.Flag) || f.explained(s.Leaf, f.now, &cohort.Off{}, s.Flag, nil) || f.usualLeaf(s.Leaf, s.Flag):
		case f.now-s.At < suspectWait:
			waiting = append(waiting, s)
		case len(users[s.Flag]) < f.rules.MinUsers:
			if f.o.Observe != nil {
				f.score(RuleRows, s.User, float64(s.Rows))
			}
			f.single(&s)
		}
	}
	f.suspects = waiting
}

// alone says whether a flag means something on one user. A script repeats itself, and one penalty may be deserved.
func alone(flag cohort.Flag) bool {
	switch flag {
	case cohort.Over, cohort.Under, cohort.Duplicate, cohort.FailureCharged, cohort.NoTokens:
		return true
	}
	return false
}

// single opens or updates the incident of one user whose rows are off, or of the cohort that it turns out not to be over for.
func (f *fleet) single(s *profile.Finding) {
	f.says(verdict.SignalOf(s.Flag), true)
	since := s.Since
	for _, l := range f.lives {
		if l.by != byFlag || l.flag != s.Flag || l.user != s.User && l.user != "" {
			continue
		}
		if l.user == "" {
			if l.Status == incident.Resolved && l.MergedInto == "" && f.now-l.endedAt < reopenAfter && l.where.Matches(&s.Leaf.Values) {
				if at := f.strange(l, s); at != 0 {
					since = max(since, at) // what was before is told
					continue
				}
				if s.At > l.lastHit {
					f.reopen(l, &live{onset: l.endedAt, lastHit: s.At})
				}
				return
			}
			continue
		}
		if l.MergedInto != "" {
			since = max(since, l.endedAt) // what was before is told
			continue
		}
		if l.open() || f.now-l.endedAt < reopenAfter {
			s.Base = l.drawn.Base // what came since is no past
			l.lastHit, l.cleanHit, l.drawn, l.finding.Over = max(l.lastHit, s.At), max(l.lastHit, s.At), s, false
			if !l.open() {
				f.judge(l, l.Cause)
				f.update(l)
			}
			return
		}
	}
	where := cohort.Where{}
	for d, v := range s.Leaf.Values {
		if v != "" && v != cohort.Other && slices.Contains(f.o.Dimensions, event.Dim(d)) {
			where = append(where, cohort.Cond{Dim: event.Dim(d), Value: v})
		}
	}
	l := &live{by: byFlag, flag: s.Flag, user: s.User, where: where, onset: since - since%cohort.Tick, lastHit: s.At, cleanHit: s.At, gain: float64(s.Rows), base: cohort.PriorRate, rate: 1}
	f.resum(l)
	l.drawn = s
	l.finding.StartedAt = since
	cause := verdict.Price
	for _, fam := range verdict.Families {
		if fam.Flag == s.Flag {
			cause = fam.Cause
		}
	}
	f.judge(l, cause)
	f.adopt(l)
}
