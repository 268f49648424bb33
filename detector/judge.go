package detector

import (
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// judge brings the finding of a cohort's incident up to date.
func (f *fleet) judge(l *live, cause verdict.Cause) {
	off := f.ownOff(l)
	if l.by == byFlag && l.flag == cohort.Over {
		if l.fault != nil {
			cause = verdict.OfFault(*l.fault, f.o.Hearing)
		} else {
			cause = verdict.OfOver(f.unmixed(l), f.o.Hearing)
		}
	}
	var now, base, unasked verdict.Period
	if l.compared {
		now, base = l.then, l.before
		unasked = l.unasked
	} else if l.drawn != nil {
		now, base = verdict.OfCounts(&l.drawn.Now), verdict.OfCounts(&l.drawn.Base)
		if base.Users > 0 {
			base = base.Scale(now.Users / base.Users)
		}
	} else {
		base = f.baseline(l)
		now = l.hit
	}
	fig := verdict.Figures{
		Cause: cause, Where: l.where, User: l.user, Now: now, Base: base, Inside: l.inside, Outside: l.outside,
		Flag: l.flag, Measure: l.measure, ByMeasure: l.by == byMeasure, Shift: l.shift, Elsewhere: l.elsewhere,
		Gain: l.gain, Loser: l.loser, Adopted: f.adoptedIn(l), Planned: f.planned(l), HasCard: f.card,
	}
	fig.Runs, fig.RunsBase = f.windows(l)
	fig.Like, fig.Incident, fig.Left, fig.Unasked = f.alike(l), l.ID, l.left, unasked
	fig.Others, fig.Beside = f.others(l, cause)
	if l.drawn == nil || l.compared {
		fig.Blends = func() [2]verdict.Blend { return f.blendsOf(l) }
	}
	if l.user != "" && !l.compared {
		fig.Usual = f.stretches(base.Turns > 0)
	}
	if cause.Class == verdict.Unknown {
		fig.Lacks = f.lacks(l)
	}
	if cause == verdict.CacheDiscount {
		fig.Flag = cohort.CacheLost
	}
	x := &l.finding
	x.Cause = cause
	x.Verdict = verdict.Judge(&fig)
	x.LastAt = l.lastHit
	if l.user != "" {
		x.Scope = incident.UserScope(l.user)
		x.Users = 1
	} else {
		x.Scope = incident.CohortScope(l.where)
	}
	if l.by == byFlag && l.user == "" {
		x.Users = max(x.Users, int(off.DayUsers))
		x.Charged = l.inside.Credits.Float64()
		x.Overcharge = off.Charged
		x.Overcharge.SubSum(off.Expected)
		if l.flag.Estimated() {
			x.Overcharge.Add(event.Credits(x.Charged * undercharge(l, &now, &base) * float64(event.Credit)))
		}
	}
	if l.by == byMeasure {
		x.Charged = l.inside.Credits.Float64()
		x.Overcharge = event.Sum{}
		x.Overcharge.Add(event.Credits(x.Charged * excess(l.measure, &now, &base) * float64(event.Credit)))
	}
	x.Severity = f.rules.Severity(x, f.quiet(l))
}

// excess estimates the share of a scope's charge that a client's fault is worth, until the rows are booked: the requests that
// would not have been made, or what a row costs more than the moved measure explains.
func excess(m cohort.Measure, now, base *verdict.Period) float64 {
	r := now.Level(m) / base.Level(m)
	if !(r > 1) || math.IsInf(r, 0) || now.Requests <= 0 {
		return 0
	}
	switch m {
	case cohort.Uncounted:
		return 1 - r
	case cohort.RequestsPerTurn:
		return (now.Requests - now.Background) * (1 - 1/r) / now.Requests
	case cohort.Background:
		return now.Background * (1 - 1/r) / now.Requests
	}
	if row := now.List / now.Rows / (base.List / base.Rows); row > 0 && row < r {
		r = max(row, 1)
	}
	return 1 - 1/r
}

// missing returns the share of the scope's requests that nobody was charged for, as those tell that follow another.
func (l *live) missing() float64 {
	off := l.inside.Flagged(cohort.Gap)
	return float64(off.Rows) / float64(max(l.inside.Follows, off.Rows, 1))
}

// undercharge estimates, as a negative share of a scope's charge, what is missing from it until the rows are booked.
func undercharge(l *live, now, base *verdict.Period) float64 {
	if l.flag == cohort.Gap {
		lost := min(l.missing(), 0.99)
		return -lost / (1 - lost)
	}
	row := now.List / now.Rows / (base.List / base.Rows)
	if !(row > 0 && row < 1) {
		return 0
	}
	return 1 - 1/row
}

// adoptedIn names the value of a scope that appeared with the onset.
func (f *fleet) adoptedIn(l *live) string {
	for _, c := range l.where {
		if slices.Contains(adoptable, c.Dim) {
			if v := f.store.Value(c.Dim, c.Value); v != nil && f.isNew(v, l.onset) {
				return c.Dim.String() + " " + c.Value
			}
		}
	}
	return ""
}

// carries says which dimensions rows of a scope carry.
func (f *fleet) carries(l *live) (has [event.NumDims]bool) {
	f.store.Active(l.where, l.onset, f.now+cohort.Tick, func(leaf *cohort.Leaf) {
		for d, v := range leaf.Values {
			has[d] = has[d] || v != ""
		}
	})
	return has
}

// clientless says whether no row of a scope says anything of the client that sent it.
func (f *fleet) clientless(l *live) bool {
	has := f.carries(l)
	return !slices.ContainsFunc(clientDims, func(d event.Dim) bool { return has[d] })
}

// lacks names the fields that might tell who is behind what a scope asks for, and that none of its rows carries.
func (f *fleet) lacks(l *live) (out []string) {
	has := f.carries(l)
	for _, d := range []event.Dim{event.Client, event.ClientVersion, event.Experiment, event.Origin} {
		if !has[d] {
			out = append(out, d.String())
		}
	}
	if l.inside.Turns == 0 {
		out = append(out, "turn_id")
	}
	return out
}

// moves returns the factor that an incident's cause moves. Tokens that are counted right and charged wrong are a price.
func moves(l *live, c verdict.Cause) string {
	if l.by == byFlag && l.flag == cohort.Over {
		return verdict.Price.Factor
	}
	return c.Factor
}

// others returns the other incidents that hit rows of the scope while this one did, by the factor that each moves; the oldest of those
// that move the same. The own cause's factor is its own. A client's fault moves more than that, of which a meter's moves nothing: beside
// are those, for one that is seen by its rows.
func (f *fleet) others(l *live, own verdict.Cause) (by map[string]string, beside []verdict.Beside) {
	if l.user != "" {
		return nil, nil
	}
	by = map[string]string{}
	owns := moves(l, own)
	for _, o := range f.lives {
		if o == l || o.ID == "" || o.MergedInto != "" || o.user != "" || o.by == byUser || o.by == byLinks || o.Cause == verdict.Window || o.Cause == verdict.Unexplained ||
			o.where.Excludes(l.where) || o.onset > l.lastHit || o.lastHit < l.onset {
			continue
		}
		if l.by == byFlag && o.by == byMeasure && o.Cause.Class == verdict.ClientBug {
			beside = append(beside, verdict.Beside{Incident: o.ID, Factors: o.finding.Verdict.Factors})
		}
		if factor := moves(o, o.Cause); factor != owns && by[factor] == "" {
			by[factor] = o.ID
		}
	}
	return by, beside
}
