package detector

import (
	"cmp"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// link notes a young account on an identity, or an hour of one.
func (f *fleet) link(k link) {
	f.ties.note(&k)
	if l := f.farm(k.user); l != nil && k.at > l.finding.LastAt {
		l.finding.LastAt, l.finding.Over = k.at, false
		f.update(l)
	}
}

// farm returns the incident that names an account as farmed, and goes on with it; nil if there is none.
func (f *fleet) farm(user string) *live {
	a := f.ties.accounts[user]
	if a == nil || a.farm == "" {
		return nil
	}
	for _, l := range f.lives {
		if l.by == byLinks && l.ID == a.farm && (l.open() || f.rests(l)) {
			return l
		}
	}
	return nil
}

// atOnce is the accounts that are tied up to which they are weighed when somebody joins: more wait, as it takes their square.
const atOnce = 64

// settleFarms weighs accounts of whom something was heard: those that devices and keys tie when somebody joins, and all every five minutes:
// who joins a farm that is named is not said at once.
func (f *fleet) settleFarms(all bool) {
	y := &f.ties
	if len(y.due) == 0 {
		return
	}
	weighed, most := map[string]bool{}, farmMost
	if !all {
		most = atOnce + 1
	}
	y.near = map[string]bool{}
	defer func() { y.near = nil }()
	for _, name := range sortedKeys(y.due) {
		joined, kept := y.due[name]
		g := y.groups[name]
		if !kept || weighed[name] || !all && (!joined || g.told || len(g.users) >= most) {
			continue
		}
		if len(g.users) < 2 { // whoever it may be tied to by another is due there
			delete(y.due, name)
			continue
		}
		if !y.closest(name) {
			if all {
				delete(y.due, name)
				f.weighLoose(name)
			}
			continue
		}
		users, names := y.reach(name, most)
		if !all && len(users) >= most {
			continue
		}
		for _, t := range names {
			joined = joined || y.due[t]
			weighed[t] = true
			delete(y.due, t)
		}
		f.weighClose(users, joined)
	}
}

// weighClose looks at accounts that devices and keys tie.
func (f *fleet) weighClose(users []string, joined bool) {
	if len(users) < 2 {
		return
	}
	r, by := f.ring(users, nil)
	if f.o.Observe != nil && joined && (r.Counted || r.Count < f.nats(RuleFarm)) {
		f.score(RuleFarm, by.id, r.Count)
	}
	told, nats := r.Told(f.o.Hearing)
	enough := float64(len(users)) >= f.nats(RuleFarm)
	if !told && nats >= 0 { // a farm goes on over other devices, unless who sits there is seen to be people
		told = slices.ContainsFunc(users, func(u string) bool { return f.farm(u) != nil })
	}
	if f.warm && enough && told {
		f.name(users, r.Tied)
		return
	}
	if f.o.Spare != nil && joined {
		why := counter("few_on_device", "%.0f accounts younger than a week on one %s: a household, a class", r.Count, verdict.Ties[by.kind])
		if enough {
			why = append(why, verdict.SpareFarm(r)...)
		}
		f.o.Spare(Spared{Rule: RuleFarm, User: by.id, At: f.now, Near: r.Count / f.nats(RuleFarm), For: why})
	}
}

// weighLoose looks at accounts that an address ties, or the key of one organisation. Where it is known what an account may draw, those alone
// are named that were drained: who else comes from there has nothing to do with them.
func (f *fleet) weighLoose(name string) {
	users := f.ties.groups[name].users
	least := f.nats(RuleFarm)
	if float64(len(users)) < least {
		return
	}
	tied := f.ties.members(users)
	var metered int
	var drained []string
	for i := range tied {
		if tied[i].Metered {
			metered++
		}
		if tied[i].Drained() {
			drained = append(drained, users[i])
		}
	}
	if 2*metered < len(users) {
		drained = users
	}
	r := &verdict.Ring{Members: f.ties.members(drained), Tied: tied, Now: f.now}
	told, _ := r.Told(f.o.Hearing)
	if f.warm && float64(len(drained)) >= least && told {
		f.name(drained, tied)
		return
	}
	if f.o.Spare != nil {
		if why := verdict.SpareFarm(r); len(why) > 0 {
			f.o.Spare(Spared{Rule: RuleFarm, User: tieOf(name).id, At: f.now, Near: float64(len(users)) / least, For: why})
		}
	}
}

// ring returns what is known of accounts and of all that something ties, who are no fewer, and the device or key that most of them share.
func (f *fleet) ring(users []string, tied []verdict.Member) (*verdict.Ring, tie) {
	count, by := f.ties.most(users)
	members := f.ties.members(users)
	if len(members) > len(tied) {
		tied = members
	}
	r := &verdict.Ring{Members: members, Tied: tied, Count: count, Counted: count >= f.nats(RuleFarm), By: f.ties.linked(users), Now: f.now}
	r.Close = !strings.Contains(r.By, verdict.Ties[byAddress])
	if r.Counted && by.kind == byKey { // a gateway whose firm is not named signs for people, and they show as such within hours
		_, nats := r.Told(f.o.Hearing)
		r.Counted = nats >= 0
	}
	r.Counted = f.says(verdict.DeviceShared, r.Counted)
	return r, by
}

// name says that accounts are farmed. They are one incident with all that names some of them: the oldest, and the others resolve into it. An
// account's own incident of abuse is one of those; a charge that is wrong is another matter.
func (f *fleet) name(users []string, tied []verdict.Member) {
	y := &f.ties
	named := map[string]bool{}
	var same []*live
	for _, l := range f.lives {
		switch {
		case l.by == byLinks && (l.open() || f.rests(l)) && slices.ContainsFunc(users, func(u string) bool { return y.accounts[u].farm == l.ID }):
			for _, u := range l.finding.Scope.Users {
				named[u] = true
			}
			same = append(same, l)
		case l.by == byUser && l.open() && l.Cause.Class == verdict.Abuse && slices.Contains(users, l.user):
			same = append(same, l)
		}
	}
	fresh := 0
	for _, u := range users {
		if !named[u] && y.accounts[u].farm == "" {
			fresh++
		}
		named[u] = true
	}
	all := sortedKeys(named)
	count := len(all)
	known := slices.DeleteFunc(slices.Clone(all), func(u string) bool { return y.accounts[u] == nil })
	r, by := f.ring(known, tied)
	since, last := y.accounts[known[0]].first, int64(0)
	for _, u := range known {
		since, last = min(since, y.accounts[u].first), max(last, y.accounts[u].last)
	}
	l := &live{openedAt: f.now}
	if len(same) > 0 {
		if l = same[0]; l.by == byLinks {
			since, last = min(since, l.finding.StartedAt), max(last, l.finding.LastAt)
			count = max(count, l.finding.Users+fresh) // not all are listed
		}
	}
	over := f.now-last > farmQuiet
	if over && !l.open() { // who else comes from an address keeps asking for it
		return
	}
	l.by, l.user, l.onset, l.drawn = byLinks, cmp.Or(by.id, r.By), since, nil
	l.finding = incident.Finding{
		Cause: verdict.Farming, Scope: incident.UsersScope(all[:min(len(all), farmMost)], r.By), Verdict: verdict.JudgeFarm(r, f.o.Hearing), Users: count,
		StartedAt: since, LastAt: last, Onset: incident.Interval{From: since - since%1e9, To: since}, Splits: l.finding.Splits, Over: over,
	}
	l.finding.Severity = f.rules.Severity(&l.finding, f.quiet(l))
	f.tell(l)
	for _, u := range known {
		a := y.accounts[u]
		a.farm = l.ID
		for _, t := range a.ties {
			y.groups[t].told = true
		}
	}
	for _, m := range same[min(1, len(same)):] {
		f.merge(m, l)
	}
}

// followFarm says who joined since, if that is due, or that it is over.
func (f *fleet) followFarm(l *live) {
	l.finding.Over = f.now-l.finding.LastAt > farmQuiet
	f.update(l)
}
