package detector

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// known returns the faults of the incidents beside own that cover a leaf at an instant; all says that one of them is of no fault that
// is known, and accounts for whatever is there.
func (f *fleet) known(leaf *cohort.Leaf, at int64, own *live) (faults []cohort.Fault, all bool) {
	for _, m := range f.lives {
		if m == own || m.by != byFlag || m.flag != cohort.Over || m.user != "" || m.MergedInto != "" || !m.where.Matches(&leaf.Values) {
			continue
		}
		switch {
		case m.fault == nil:
			if m.accounts(at, &cohort.Off{}) {
				return nil, true
			}
		case at > m.onset-cohort.Hour && (m.open() || at <= m.lastHit):
			faults = append(faults, *m.fault)
		}
	}
	return faults, false
}

// part is what one cell says of an incident: how many of its rows, of how many that could, bear its flag.
func (f *fleet) part(leaf *cohort.Leaf, at int64, c *cohort.Cell, flag cohort.Flag, own *live, fault *cohort.Fault) (off cohort.Off, n int64, ok bool) {
	off, n = c.Flagged(flag), c.Opportunities(flag)
	if fault != nil && fault.Kind() == cohort.Undiscounted {
		n = c.CachedRows // on others it does not show
	}
	n = max(n-f.covered(leaf, at, c, flag), min(n, off.Rows))
	if flag != cohort.Over {
		return off, n, !f.explained(leaf, at, &off, flag, own)
	}
	faults, all := f.known(leaf, at, own)
	if all || off.Rows == 0 || fault == nil && len(faults) == 0 {
		return off, n, !all
	}
	if fault != nil && len(faults) > 0 && f.taken(own, leaf, at, off, flag, fault) {
		return off, n, false
	}
	x := over{shape: c.Shape, known: combined(faults)}
	if x.shape == nil { // too small to tell
		return off, n, len(faults) == 0
	}
	spared := x.spared()
	switch {
	case fault != nil && x.bears(*fault) && x.off(*fault) <= spared:
		return off, n, true
	case spared <= cohort.FaultTolerance:
		return cohort.Off{}, n, true
	case fault == nil:
		return off, n, true
	}
	return cohort.Off{}, max(n-off.Rows, 0), true
}

// covered returns how many of a cell's rows deny no fault of a flag, though they are priced right: where an incident of the opposite flag
// accounts for them, a row that bears neither is one that bears both, or one that neither hits.
func (f *fleet) covered(leaf *cohort.Leaf, at int64, c *cohort.Cell, flag cohort.Flag) int64 {
	var opposite cohort.Flag
	switch flag {
	case cohort.Over:
		opposite = cohort.Under
	case cohort.Under:
		opposite = cohort.Over
	default:
		return 0
	}
	for _, l := range f.lives {
		if l.beside(nil, opposite) && at > l.onset-cohort.Hour && (l.open() || at <= l.lastHit) && l.where.Matches(&leaf.Values) {
			return max(c.PricedRows-c.Flagged(flag).Rows-c.Flagged(opposite).Rows, 0)
		}
	}
	return 0
}

// own is part for an incident that others of its flag may overlap, if mixed.
func (f *fleet) own(l *live, mixed bool, leaf *cohort.Leaf, at int64, c *cohort.Cell) (off cohort.Off, n int64, ok bool) {
	if mixed || l.fault != nil {
		return f.part(leaf, at, c, l.flag, l, l.fault)
	}
	return c.Flagged(l.flag), c.Opportunities(l.flag), true
}

// sumCell adds a cell to what an incident's scope did, or to what the rest did, and returns it as the incident sees it: without the rows
// that another fault multiplied; nil outside.
func (f *fleet) sumCell(l *live, leaf *cohort.Leaf, at int64, c *cohort.Cell) *cohort.Cell {
	in := l.where.Matches(&leaf.Values)
	if l.fault != nil && c.Flagged(cohort.Over).Rows > 0 {
		if off, _, ok := f.part(leaf, at, c, l.flag, l, l.fault); !ok || off.Rows == 0 {
			c = c.Right()
		}
	}
	if !in {
		l.outside.Add(c)
		return nil
	}
	l.inside.Add(c)
	return c
}

// apart says whether two incidents of rows that are charged too much are of different faults. Where one's scope holds the other's, a
// wrong price list explains both, unless they are of different kinds and began at different times, or each was seen without the other.
func (f *fleet) apart(l, m *live) bool {
	if l.flag != cohort.Over || m.flag != cohort.Over || l.fault == nil || m.fault == nil || l.fault.Like(*m.fault) {
		return false
	}
	wide, in := l, m
	switch {
	case !l.where.Covers(m.where) && !m.where.Covers(l.where):
		return true
	case m.where.Covers(l.where):
		wide, in = m, l
	}
	if l.fault.Kind() != m.fault.Kind() {
		d := l.onset - m.onset
		return d > cohort.Five || -d > cohort.Five
	}
	return !l.where.Equal(m.where) && f.nested(wide, in)
}

// nested says whether a fault stands within a wider one of its kind that does not account for it: many of its rows bear it alone while
// those around it are right, before the wider one began or after it ended. While both stand nobody knows what each adds.
func (f *fleet) nested(wide, in *live) bool {
	var alone, right [2]float64 // before and after
	around := 0.0
	f.store.Cells(wide.where, min(wide.onset, in.onset), f.now+cohort.Tick, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		off, when := c.Flagged(cohort.Over), -1
		switch {
		case at < wide.onset && off.Last < wide.onset:
			when = 0
		case at > wide.lastHit:
			when = 1
		}
		switch within := in.where.Matches(&leaf.Values); {
		case !within && when >= 0:
			right[when] += float64(c.PricedRows - off.Rows)
		case !within && c.Shape != nil && c.Shape.Fits(*wide.fault):
			around += c.Shape.N
		case within && when >= 0 && c.Shape != nil && c.Shape.Fits(*in.fault):
			alone[when] += c.Shape.N
		}
	})
	return around >= float64(f.rules.MinUsers) && (min(alone[0], right[0]) >= mixedRows || min(alone[1], right[1]) >= mixedRows)
}

// residue looks in the scope of an incident for rows that its fault does not explain, nor that of another: where those are many, a second
// fault is at work there.
func (f *fleet) residue(l *live) {
	if l.fault == nil || !l.open() {
		return
	}
	left := f.overs(l.where, l.onset, nil)
	if rowsOf(left) < mixedRows {
		return
	}
	found := sortOut(left)
	if len(found) == 0 || found[0].rows < mixedRows || found[0].users < float64(f.rules.MinUsers) || found[0].Like(*l.fault) {
		return
	}
	f.find(verdict.Families[0], l.onset, max(1, found[0].rows/found[0].users), &found[0].Fault, l)
}

// strange returns since when rows of one user, after an incident has ended, are not charged as its fault charges; 0 if they are.
func (f *fleet) strange(l *live, s *profile.Finding) (since int64) {
	if l.fault == nil {
		return 0
	}
	own, all := int64(0), int64(0)
	f.store.Cells(l.where, max(s.Since, l.lastHit+1), f.now+cohort.Tick, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		if leaf.Values != s.Leaf.Values {
			return
		}
		off, _, _ := f.part(leaf, at, c, l.flag, l, l.fault)
		over := c.Flagged(l.flag)
		own, all = own+off.Rows, all+over.Rows
		if over.Rows > off.Rows && (since == 0 || over.First < since) {
			since = over.First
		}
	})
	if 2*own >= all {
		return 0
	}
	return since
}

// unmixed sums the scope without what other incidents of its flag account for, as far as enough is left to judge by.
func (f *fleet) unmixed(l *live) *cohort.Cell {
	if l.user != "" || !f.mixed(l) {
		return &l.inside
	}
	var own cohort.Cell
	f.store.Cells(l.where, l.onset, f.now+cohort.Tick, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		if off, _, ok := f.part(leaf, at, c, l.flag, l, l.fault); ok && off.Rows == c.Flagged(l.flag).Rows {
			own.Add(c)
		}
	})
	if own.Flagged(l.flag).Rows < mixedRows {
		return &l.inside
	}
	return &own
}

// ownOff returns the affected rows of an incident, without those that an older one of its flag accounts for.
func (f *fleet) ownOff(l *live) cohort.Off {
	if l.by != byFlag || l.user != "" || l.flag == cohort.Over || !f.mixed(l) {
		return l.inside.Flagged(l.flag)
	}
	var own cohort.Cell
	f.store.Cells(l.where, l.onset, f.now+cohort.Tick, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		if off := c.Flagged(l.flag); off.Rows > 0 && !f.taken(l, leaf, at, off, l.flag, nil) {
			own.Add(c)
		}
	})
	return own.Flagged(l.flag)
}

// follows says whether a flag tells how requests go on from each other: what a client at fault makes of its requests shows there too.
func follows(flag cohort.Flag) bool { return flag == cohort.Gap || flag == cohort.Short }

// byClient says whether nearly all of what seems to be missing is explained by what a client does, as turned out since.
func (f *fleet) byClient(l *live) bool {
	if l.user != "" || !follows(l.flag) {
		return false
	}
	all, own := int64(0), int64(0)
	f.store.Cells(l.where, l.onset, f.now+cohort.Tick, func(_ int64, leaf *cohort.Leaf, c *cohort.Cell) {
		off := c.Flagged(l.flag).Rows
		all += off
		for _, m := range f.lives {
			if m.clients() && m.where.Matches(&leaf.Values) {
				own += off
				break
			}
		}
	})
	return all > 0 && 10*own >= 9*all
}

// clients says whether an open incident is of what a client does.
func (l *live) clients() bool { return l.by == byMeasure && l.open() && namesClient(l.where) }

// explained says whether an incident other than own accounts for a cell's rows, of which some may bear the flag. A client that is at
// fault otherwise may leave out what was said before as well, or mix up its turns.
func (f *fleet) explained(leaf *cohort.Leaf, at int64, off *cohort.Off, flag cohort.Flag, own *live) bool {
	for _, l := range f.lives {
		if (l.beside(own, flag) && l.accounts(at, off) || follows(flag) && l.clients()) && l.where.Matches(&leaf.Values) {
			return true
		}
	}
	return false
}

// beside says whether a cohort's incident of the flag stands, or stood, beside own.
func (l *live) beside(own *live, flag cohort.Flag) bool {
	return l != own && l.by == byFlag && l.user == "" && l.flag == flag && l.MergedInto == ""
}

// accounts says whether rows of an incident's scope are its own: while it is open whatever comes, then those of its time. A gauge is
// judged later than it was off, often long after the incident is over.
func (l *live) accounts(at int64, off *cohort.Off) bool {
	return l.open() || at > l.onset-cohort.Hour && (at <= l.lastHit || off.Rows > 0 && off.Last <= l.lastHit)
}

// taken says whether rows of a leaf bear what an older incident beside own does, or one in whose scope alone they lie: which of the two
// hit them nobody can tell.
func (f *fleet) taken(own *live, leaf *cohort.Leaf, at int64, off cohort.Off, flag cohort.Flag, fault *cohort.Fault) bool {
	for _, m := range f.lives {
		if m == own {
			if own.where.Matches(&leaf.Values) {
				return false
			}
			continue
		}
		alike := flag != cohort.Over || fault != nil && m.fault != nil && fault.Like(*m.fault)
		if alike && m.beside(own, flag) && m.accounts(at, &off) && m.where.Matches(&leaf.Values) {
			return true
		}
	}
	return false
}

// mixed says whether another incident of the same flag accounts for a part of the scope, and for a part only, as far back as onsets are
// sought.
func (f *fleet) mixed(l *live) bool {
	since := l.onset
	if since == 0 {
		since = f.now // where it will be dated, or before
	}
	for _, m := range f.lives {
		if m.beside(l, l.flag) && (m.open() || m.lastHit > since-24*cohort.Hour) && !m.where.Excludes(l.where) && !m.where.Covers(l.where) {
			return true
		}
	}
	return false
}
