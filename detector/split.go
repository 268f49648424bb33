package detector

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// toldMost is how many former descriptions of an incident are remembered, the last ones.
const toldMost = 8

// told is what an incident was said to be about for a while: its scope, the fault of its rows if one was known, from which onset on, and
// until when.
type told struct {
	where        cohort.Where
	fault        *cohort.Fault
	onset, until int64
}

// told returns what an incident is said to be about so far.
func (f *fleet) told(l *live) told { return told{l.where, l.fault, l.onset, f.head} }

// narrowed notes that an incident may no longer be about what it was said to be. What that leaves may be of another fault: of one that
// stands already, or of one that the next long look finds, though none of its rows comes any more.
func (f *fleet) narrowed(l *live, was told) {
	if !l.open() || l.user != "" || l.where.Equal(was.where) && sameFault(l.fault, was.fault) {
		return
	}
	l.told = append(l.told[max(0, len(l.told)+1-toldMost):], was)
	if l.by == byFlag && !(l.where.Covers(was.where) && l.fault == nil) {
		l.finding.Users = 0 // those that are left, until they are booked
		f.lately = f.lately.With(l.flag)
	}
	for _, m := range f.lives {
		if f.split(l, m) {
			f.update(m)
		}
	}
}

// splitOff returns the incidents out of which one comes that is about to be said: those that had been said to hold its rows.
func (f *fleet) splitOff(l *live) (from []*live) {
	for _, m := range f.lives {
		if f.split(m, l) {
			from = append(from, m)
		}
	}
	return from
}

// updateWith is update for an incident that begins anew, or of other rows.
func (f *fleet) updateWith(l *live) {
	split := f.splitOff(l)
	f.update(l)
	for _, m := range split {
		f.update(m)
	}
}

// split says whether rows that an incident had been said to hold turned out to be another's, and notes it in both.
func (f *fleet) split(from, l *live) bool {
	if from == l || len(from.told) == 0 || from.by != l.by || from.flag != l.flag || from.measure != l.measure || l.user != "" || l.silentTo != 0 || from.silentTo != 0 ||
		from.MergedInto != "" || l.MergedInto != "" || l.finding.MergedInto != "" || slices.ContainsFunc(l.finding.Splits, func(s incident.Split) bool { return s.With == from.ID }) {
		return false
	}
	if from.told[len(from.told)-1].until <= l.onset {
		return false
	}
	rows, until := int64(0), int64(0)
	f.store.Cells(l.where, l.onset, f.now+cohort.Tick, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		n, first := c.Rows, at
		if l.by == byFlag {
			off, _, ok := f.part(leaf, at, c, l.flag, l, l.fault)
			if !ok {
				return
			}
			n, first = off.Rows, max(at, off.First)
		}
		for i := range from.told {
			if n > 0 && from.told[i].held(leaf, first) && from.lost(&from.told[i], leaf, c) {
				rows, until = rows+n, max(until, from.told[i].until)
				return
			}
		}
	})
	if rows < int64(f.rules.MinUsers) {
		return false
	}
	l.finding.Splits = append(slices.Clip(l.finding.Splits), incident.Split{With: from.ID, Until: until})
	from.finding.Splits = append(slices.Clip(from.finding.Splits), incident.Split{With: l.ID, Until: until, Off: true})
	return true
}

// held says whether rows of a leaf, the first of them at an instant, were among what was told.
func (t *told) held(leaf *cohort.Leaf, first int64) bool {
	return first >= t.onset && first < t.until && t.where.Matches(&leaf.Values)
}

// lost says whether an incident holds the rows of a cell no more that it was told to hold: they are out of its scope now, or charged as
// its fault does not charge.
func (l *live) lost(was *told, leaf *cohort.Leaf, c *cohort.Cell) bool {
	if !l.where.Matches(&leaf.Values) {
		return true
	}
	return l.fault != nil && c.Shape != nil && !c.Shape.Fits(*l.fault) && (was.fault == nil || c.Shape.Fits(*was.fault))
}

// undoes says whether an incident would only widen another one to what it is known not to be: no affected row came since.
func (f *fleet) undoes(l *live) bool {
	return slices.ContainsFunc(f.lives, func(m *live) bool {
		return m.open() && m.user == "" && m.by == l.by && f.sameKind(l, m) && l.where.Covers(m.where) &&
			slices.ContainsFunc(m.told, func(t told) bool { return t.where.Covers(l.where) && l.lastHit < t.until })
	})
}

func sameFault(a, b *cohort.Fault) bool {
	return a == b || a != nil && b != nil && a.Like(*b)
}
