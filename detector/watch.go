package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/stats/localise"
)

// Thresholds of the watch over flags. A check that passes had odds of e^−12 by chance, times the values that are checked.
const (
	flagNats    = 12
	maxScope    = 3    // dimensions of a scope
	cardRows    = 600  // rows after which it is known how exactly charges follow a card
	threadRows  = 1000 // that could have gone on from others, after which it is known whether they do
	threadRate  = 0.01 // that do not, beyond which they are not expected to
	usualRate   = 0.2  // from here on a flag is how a value always was, and no news
	severalNats = 12   // by which several scopes have to fit better than one, for each
	sameFit     = 0.5  // nats within which two descriptions fit equally well
	refineNats  = 3    // by which another scope has to fit better before an incident moves to it
	reopenAfter = 24 * cohort.Hour
	mixedRows   = 20 // affected rows by which a cause can be told
)

// least is the share of the rows that could bear a flag from which on it is a fault's: a meter that charges twice makes every
// second row a copy, a client that repeats itself few; some rows are lost everywhere, and some clients forget what was said.
var least = map[cohort.Flag]float64{cohort.Copy: 0.1, cohort.Gap: 0.03, cohort.Short: 0.1, cohort.Blank: 0.03}

// leastOfClient is the same of input that is too short along a client, which may have become thrifty with its context.
const leastOfClient = 0.5

// windows are the stretches of time over which flags and measures are summed.
var windows = []int64{2 * cohort.Five, cohort.Hour, cohort.KeepFives}

// watchFlags looks at the values that show rows off by themselves which no open incident explains.
func (f *fleet) watchFlags() {
	dirty, seen := f.dirty, f.seen
	f.dirty, f.seen = f.dirty[:0], 0
	f.lately |= seen
	spans := windows[:len(windows)-1]
	if f.now%cohort.Five < cohort.Tick {
		// The long look is for slow faults: every five minutes will do, over whatever showed something since the last one.
		dirty, seen, spans = append([]*cohort.Value{f.store.All}, f.store.Values...), f.lately, windows
		f.lately = 0
	}
	for _, fam := range verdict.Families {
		if !seen.Has(fam.Flag) || !f.ready(fam.Flag) || !f.o.Hearing.Hears(verdict.SignalOf(fam.Flag)) {
			continue
		}
		for range 4 { // several causes may stand at once
			from, ok := f.passes(fam.Flag, dirty, spans)
			if !ok || !f.says(verdict.SignalOf(fam.Flag), f.localise(fam, from)) {
				break
			}
		}
	}
}

// ready says whether the baseline of a flag stands: a charge above a given rate card needs none. That requests go on from each
// other as a session's do is not taken for granted: rows that tell of caches otherwise break that rule all the time.
func (f *fleet) ready(flag cohort.Flag) bool {
	switch flag {
	case cohort.Gap, cohort.Short:
		all := f.store.All
		return f.warm && f.now-f.first >= 24*cohort.Hour && all.Learned(flag) >= threadRows && all.Rate(flag, nil) < threadRate && !f.says(verdict.Disordered, !f.ordered())
	case cohort.GaugeOff:
		return f.warm && !f.says(verdict.Disordered, !f.ordered())
	}
	return f.warm || f.card && flag == cohort.Over && f.rows >= cardRows
}

// usual returns the baseline rate of a flag in a value. Being off a given rate card is never usual.
func (f *fleet) usual(v *cohort.Value, flag cohort.Flag) float64 {
	if f.card && flag == cohort.Over {
		return cohort.PriorRate
	}
	if v == f.store.All {
		return v.Rate(flag, nil)
	}
	return v.Rate(flag, f.store.All)
}

// passes says whether some value shows more of the flag than its baseline allows, by enough users, and from when on.
func (f *fleet) passes(flag cohort.Flag, values []*cohort.Value, spans []int64) (from int64, ok bool) {
	rule := ruleOf(flag)
	odds := math.Log(float64(1 + len(f.store.Values)))
	need, best := f.nats(rule)+odds, 0.0
	for _, w := range spans {
		if f.store.All.Since(flag, f.now-w).Users < float64(f.rules.MinUsers) {
			continue
		}
		for _, v := range values {
			k := v.Since(flag, f.now-w)
			if k.Users < float64(f.rules.MinUsers) || k.Rows <= 0 {
				continue
			}
			cluster := max(1, k.Rows/k.Users)
			nats := localise.Binomial(f.usual(v, flag), 1/cluster)(localise.Sums{k.Rows, k.Opportunities})
			best = max(best, nats)
			if nats > need && !ok {
				from, ok = f.now-w, true
			}
			if ok && f.o.Observe == nil {
				return from, ok
			}
		}
	}
	if f.o.Observe != nil {
		f.score(rule, "", best-odds)
	}
	return from, ok
}

// says returns whether evidence that says something is heard.
func (f *fleet) says(s verdict.Signal, says bool) bool { return f.o.Hearing.Says(s, says) }

// ruleOf returns the rule that a flag cries by.
func ruleOf(flag cohort.Flag) Rule {
	if flag == cohort.GaugeOff {
		return RuleWindows
	}
	return RuleFlags
}

// localise finds the narrowest scope of a flag's rows since from that no open incident explains, and opens its incident.
func (f *fleet) localise(fam verdict.Family, from int64) bool {
	all := f.store.All.Since(fam.Flag, from)
	if all.Users <= 0 {
		return false
	}
	cluster := max(1, all.Rows/all.Users)
	from = max(from, f.firstOff(fam.Flag, from)) // what came before the fault only dilutes it
	var fault *cohort.Fault
	if fam.Flag == cohort.Over {
		if found := sortOut(f.overs(nil, from, nil)); len(found) > 0 {
			fault = &found[0].Fault
		}
	}
	return f.find(fam, from, cluster, fault, nil)
}

// find opens the incident of a flag's rows since from, of those that a fault multiplies if one is named; in names the incident in whose
// scope they were found, beside which it is no news.
func (f *fleet) find(fam verdict.Family, from int64, cluster float64, fault *cohort.Fault, in *live) bool {
	t := f.table(fam.Flag, from, f.now+cohort.Tick, nil, fault)
	base := f.usual(f.store.All, fam.Flag)
	cuts := localise.Search(t.Table, localise.Binomial(base, 1/cluster), maxScope)
	cuts = f.worthy(cuts)
	for len(cuts) > 0 && cuts[0].Sums[0] < least[fam.Flag]*cuts[0].Sums[1] {
		cuts = cuts[1:]
	}
	if len(cuts) == 0 || cuts[0].Score < f.nats(ruleOf(fam.Flag)) {
		return false
	}
	gain := cuts[0].Score
	weight, fits := f.clusters(t, fam.Flag, base, cluster, from, f.now+cohort.Tick)
	sharp := localise.Binomial(base, 1/weight)
	found := false
	for _, own := range f.each(t, fam.Flag, base, weight, fits) {
		l := &live{by: byFlag, flag: fam.Flag, gain: gain, cluster: cluster, base: base, refinedAt: f.now, fault: fault}
		found = f.open(l, fam.Cause, own, sharp, from, in) || found
	}
	return found
}

// open gives an incident the scope that fits a table best, and opens it.
func (f *fleet) open(l *live, cause verdict.Cause, t *coded, gain localise.Gain, from int64, in *live) bool {
	cuts := f.aside(f.worthy(localise.Search(t.Table, gain, maxScope)), t, gain, l)
	if len(cuts) == 0 {
		return false // rows say that it is a few users', and those to come will tell
	}
	best, loser := f.choose(cuts, t, from)
	l.where = f.where(best, t)
	if loser != nil {
		l.loser = f.where(*loser, t).String()
	}
	switch {
	case f.says(verdict.Breadth, !f.many(l)):
		f.sparedCohort(ruleOf(l.flag), l, "few_users", "%s of %s: so few users that it is no cohort's", l.flag, l.where)
		return false
	case l.flag.Estimated() && f.says(verdict.UsualHere, !f.unusual(l, best)) || f.untold(l.flag, t, from):
		f.sparedCohort(ruleOf(l.flag), l, "as_usual", "%s of %s: as often as is usual there", l.flag, l.where)
		return false
	}
	f.date(l)
	if in != nil && !f.apart(l, in) {
		return false
	}
	if l.flag == cohort.Short && f.says(verdict.LongAnswers, f.longAnswers(l)) {
		f.sparedCohort(ruleOf(l.flag), l, "long_answers", "%s of %s: no input is too short, the answers before it are longer than ever", l.flag, l.where)
		return false
	}
	if f.says(verdict.CountedAnew, f.countedAnew(l)) {
		f.sparedCohort(ruleOf(l.flag), l, "counted_anew", "%s of %s: no longer than the answers before may be, counted otherwise", l.flag, l.where)
		return false
	}
	if old := f.closedTwin(l); old != nil {
		if !f.again(old, l) {
			return false
		}
		f.reopen(old, l)
		return true
	}
	if f.undoes(l) {
		return false
	}
	if host := f.host(l); host != nil {
		f.widen(host, l, cause)
		return true
	}
	f.judge(l, cause)
	if f.merged(l) {
		return false
	}
	f.adopt(l)
	f.absorb(l)
	return true
}

// ofItsOwn says whether the rows of a value that seem to lack something may be as they are there: a client may leave out what was
// said before, and of a customer or a model that has only just come nobody knows what is usual. Of a meter or a release that
// has, what was there before tells.
func (f *fleet) ofItsOwn(flag cohort.Flag, d event.Dim, value string, s localise.Sums, from int64) bool {
	if flag == cohort.Short && slices.Contains(clientDims, d) && s[0] < leastOfClient*s[1] {
		return true
	}
	v := f.store.Value(d, value)
	return v != nil && !slices.Contains(adoptable, d) && v.First >= from-24*cohort.Hour && v.First >= f.first+cohort.Hour
}

// untold says whether what seems to be missing since from is a value's whose rows may be like that, named by the scope yet or not.
func (f *fleet) untold(flag cohort.Flag, t *coded, from int64) bool {
	return flag.Estimated() && t.holding(func(d event.Dim, value string, s localise.Sums) bool { return f.ofItsOwn(flag, d, value, s, from) })
}

// unusual says whether a cut shows more of a flag than any of its values usually does.
func (f *fleet) unusual(l *live, best localise.Cut) bool {
	base := l.base
	for _, c := range l.where {
		if v := f.store.Value(c.Dim, c.Value); v != nil {
			base = max(base, f.usual(v, l.flag))
		}
	}
	return localise.Binomial(base, 1/l.cluster)(best.Sums) >= f.nats(ruleOf(l.flag))
}

// many says whether those who bear a flag in a scope are several. Over more than an hour one user counts every hour anew, and
// half of MinUsers have to be different people, as far as a day tells them apart.
func (f *fleet) many(l *live) bool {
	hour := f.store.Sum(l.where, f.now-cohort.Hour, f.now+cohort.Tick)
	return 2*max(hour.Flagged(l.flag).Users, f.people(l.where, l.flag)) > int64(f.rules.MinUsers)
}

// people returns how many different users bore a flag in a scope within a day.
func (f *fleet) people(where cohort.Where, flag cohort.Flag) int64 {
	day := f.store.Sum(where, f.now-24*cohort.Hour, f.now+cohort.Tick)
	return day.Flagged(flag).DayUsers
}

// table lists the leaves in [from, to): affected rows and opportunities, less those that other incidents of the flag account for (except
// own, its own) and those where the flag is usual. Rows that are charged too much are sorted by what multiplies them: see part.
func (f *fleet) table(flag cohort.Flag, from, to int64, own *live, fault *cohort.Fault) *coded {
	c := newCoded()
	var last *cohort.Leaf
	var sums localise.Sums
	usual := false
	flush := func() {
		if last != nil && sums != (localise.Sums{}) {
			c.add(last, sums)
		}
		sums = localise.Sums{}
	}
	f.store.Cells(nil, from, to, func(at int64, leaf *cohort.Leaf, cell *cohort.Cell) {
		if leaf != last {
			flush()
			last, usual = leaf, f.usualLeaf(leaf, flag)
		}
		if usual {
			return
		}
		if off, n, ok := f.part(leaf, at, cell, flag, own, fault); ok {
			if at <= from-cohort.Five {
				n = off.Rows // of an hour's rows that are right, those before it deny nothing
			}
			sums[0], sums[1], sums[2] = sums[0]+float64(off.Rows), sums[1]+float64(n), sums[2]+float64(off.Users)
		}
	})
	flush()
	if flag == cohort.Gap {
		return c.done(f.o.Dimensions, event.Origin) // whose prompt is lost shows at what a tool asks, and a prompt that is not lost shows none
	}
	return c.done(f.o.Dimensions)
}

// firstOff returns the tick of the first row since from that bears a flag which nothing explains; 0 if there is none.
func (f *fleet) firstOff(flag cohort.Flag, from int64) (first int64) {
	f.store.Cells(nil, from, f.now+cohort.Tick, func(at int64, leaf *cohort.Leaf, cell *cohort.Cell) {
		off := cell.Flagged(flag)
		if off.First != 0 && (first == 0 || off.First < first) && !f.explained(leaf, at, &off, flag, nil) && !f.usualLeaf(leaf, flag) {
			first = off.First
		}
	})
	return first - first%cohort.Tick
}

func (f *fleet) usualLeaf(leaf *cohort.Leaf, flag cohort.Flag) bool {
	for d, name := range leaf.Values {
		if v := f.store.Value(event.Dim(d), name); v != nil && (f.says(verdict.UsualHere, f.usual(v, flag) > usualRate) || f.says(verdict.OwnPrice, f.ownPrice(v, flag))) {
			return true
		}
	}
	return false
}

// ownPrice says whether a value of the history's first day never had a row at the price that was learned. It has a price of its
// own, which is not learned yet, and is no fault.
func (f *fleet) ownPrice(v *cohort.Value, flag cohort.Flag) bool {
	return !f.card && (flag == cohort.Over || flag == cohort.Under) && slices.Contains(price.SplitBy, v.Dim) &&
		v.First < f.first+24*cohort.Hour && !v.EverClean(flag)
}

// worthy drops candidates that too few users bear.
func (f *fleet) worthy(cuts []localise.Cut) []localise.Cut {
	out := cuts[:0]
	for _, c := range cuts {
		if c.Sums[2] >= float64(f.rules.MinUsers) {
			out = append(out, c)
		}
	}
	return out
}

// choose returns the best cut: among those that fit equally well the one with fewer dimensions, then the one whose value
// appeared with the onset, then the order of dimensions. The best of those that lost is returned too.
func (f *fleet) choose(cuts []localise.Cut, t *coded, from int64) (best localise.Cut, loser *localise.Cut) {
	best = cuts[0]
	for i := 1; i < len(cuts); i++ {
		c := cuts[i]
		if math.Abs(c.Gain-best.Gain) > sameFit && !(c.Sums == best.Sums) {
			continue
		}
		was := best
		switch in, held := f.adopted(c, t, from) != "", f.adopted(best, t, from) != ""; {
		case len(c.Dims) == len(best.Dims) && f.says(verdict.Adoption, in && !held),
			c.Sums == best.Sums && in == held && len(c.Dims) == len(best.Dims) && slices.Compare(c.Dims, best.Dims) < 0: // whatever else their dimensions hold
			best, loser = c, &was
		case loser == nil:
			loser = &cuts[i]
		}
	}
	return best, loser
}

// adoptable are the dimensions whose values come and go by rollout, and can explain an onset.
var adoptable = []event.Dim{event.ClientVersion, event.Meter, event.PriceID, event.Experiment}

// adopted names the value of a cut that appeared no earlier than an hour before from, once there was history to appear in.
func (f *fleet) adopted(c localise.Cut, t *coded, from int64) string {
	for k, d := range c.Dims {
		if slices.Contains(adoptable, event.Dim(d)) {
			name := t.names[d][c.Values[k]-1]
			if v := f.store.Value(event.Dim(d), name); v != nil && f.isNew(v, from) {
				return event.Dim(d).String() + " " + name
			}
		}
	}
	return ""
}

// isNew says whether a value appeared near from, and not with the history itself.
func (f *fleet) isNew(v *cohort.Value, from int64) bool {
	return v.First >= from-2*cohort.Hour && v.First >= f.first+cohort.Hour
}

func (f *fleet) where(c localise.Cut, t *coded) cohort.Where {
	conds := make([]cohort.Cond, len(c.Dims))
	for k, d := range c.Dims {
		conds[k] = cohort.Cond{Dim: event.Dim(d), Value: t.names[d][c.Values[k]-1]}
	}
	return cohort.NewWhere(conds...)
}
