package detector

import (
	"cmp"
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// Rows that are charged too much show one flag, whatever multiplies them. Where two faults overlap, one of them moves rows that the
// other spares, some rows bear both, and a scope that fits all rows fits neither fault. What tells them apart is that a fault multiplies
// every row alike (cohort.Fault): the rows of one fault lie in one plane, and those that bear two lie in the plane of both. So the cells of
// rows are sorted into few faults, each is given its own scope, and a row that bears two counts for both.
const (
	faultShare = 0.8 // of the rows that one fault, or two, must explain, else charges vary for reasons of their own
	faultRows  = 10  // that the second of two must explain alone
	faultsMost = 3   // that overlap
)

// over is the rows of a cell that are charged too much, and what incidents cover it that could multiply them.
type over struct {
	leaf  *cohort.Leaf
	shape *cohort.Shape
	users int64
	known []cohort.Fault // what the incidents there come to, in every combination
}

// bears says whether the cell's rows are charged as a fault charges, alone or with what is known to be there.
func (o *over) bears(f cohort.Fault) bool { return o.off(f) <= cohort.FaultTolerance }

// off returns how far the cell's rows are from that.
func (o *over) off(f cohort.Fault) float64 {
	off := o.shape.Off(f)
	for _, g := range o.known {
		off = min(off, o.shape.Off(g.And(f)))
	}
	return off
}

// spared returns how far the cell's rows are from what is known to be there without another fault; infinite where nothing is.
func (o *over) spared() float64 {
	off := math.Inf(1)
	for _, g := range o.known {
		off = min(off, o.shape.Off(g))
	}
	return off
}

// combined returns what faults come to in every combination, none of them left out.
func combined(faults []cohort.Fault) (all []cohort.Fault) {
	for i, f := range faults {
		if i >= faultsMost {
			break
		}
		for _, g := range slices.Clone(all) {
			all = append(all, g.And(f))
		}
		all = append(all, f)
	}
	return all
}

// overs lists the cells since from whose rows are charged too much as no open incident beside own explains.
func (f *fleet) overs(where cohort.Where, from int64, own *live) (list []over) {
	f.store.Cells(where, from, f.now+cohort.Tick, func(at int64, leaf *cohort.Leaf, c *cohort.Cell) {
		off := c.Flagged(cohort.Over)
		if off.Rows == 0 || c.Shape == nil || f.usualLeaf(leaf, cohort.Over) {
			return
		}
		faults, all := f.known(leaf, at, own)
		x := over{leaf: leaf, shape: c.Shape, users: off.Users, known: combined(faults)}
		if !all && x.spared() > cohort.FaultTolerance {
			list = append(list, x)
		}
	})
	return list
}

// sorted is a fault with the rows and users that bear it.
type sorted struct {
	cohort.Fault
	rows, users float64
}

// sortOut returns the faults that explain the rows, those of the most rows first; none where they do not explain nearly all.
func sortOut(list []over) (out []sorted) {
	all, left := rowsOf(list), list
	for len(out) < faultsMost && len(left) > 0 {
		s := commonest(left)
		if s.rows == 0 || len(out) > 0 && (s.rows < faultRows || slices.ContainsFunc(out, func(x sorted) bool { return x.Like(s.Fault) })) {
			break
		}
		out = append(out, s)
		var faults []cohort.Fault
		for _, x := range out {
			faults = append(faults, x.Fault)
		}
		borne := combined(faults)
		rest := make([]over, 0, len(left))
		for _, x := range left {
			if !slices.ContainsFunc(borne, x.bears) {
				for _, g := range append([]cohort.Fault{cohort.None}, x.known...) {
					x.known = append(slices.Clip(x.known), g.And(s.Fault))
				}
				rest = append(rest, x)
			}
		}
		left = rest
		if all-rowsOf(left) >= faultShare*all && (len(left) == 0 || rowsOf(left) < faultRows) {
			break
		}
	}
	if all-rowsOf(left) < faultShare*all {
		return nil
	}
	found := slices.Clone(out)
	return slices.DeleteFunc(out, func(s sorted) bool { return both(found, s.Fault) })
}

// both says whether a fault is what two others come to where they overlap.
func both(list []sorted, f cohort.Fault) bool {
	for i, x := range list {
		for _, y := range list[i+1:] {
			if !f.Like(x.Fault) && !f.Like(y.Fault) && f.Like(x.And(y.Fault)) {
				return true
			}
		}
	}
	return false
}

func rowsOf(list []over) (n float64) {
	for _, x := range list {
		n += x.shape.N
	}
	return n
}

// commonest returns the fault of one kind that explains the most rows, of equals the simplest.
func commonest(list []over) (best sorted) {
	try := func(f cohort.Fault) {
		s := sorted{Fault: f}
		for i := range list {
			if list[i].bears(f) {
				s.rows += list[i].shape.N
				s.users += float64(list[i].users)
			}
		}
		if s.rows > best.rows {
			best = s
		}
	}
	for k := range cohort.NumKinds {
		if f, ok := densest(list, k); ok {
			try(f)
		}
	}
	return best
}

// densest returns the multiple of a kind that the most rows have in common.
func densest(list []over, k cohort.Kind) (cohort.Fault, bool) {
	type guess struct{ log, n float64 }
	var all []guess
	for i := range list {
		for j := -1; j < len(list[i].known); j++ {
			known, n := cohort.None, list[i].shape.N
			if j >= 0 {
				known, n = list[i].known[j], 0.99*n // one fault is simpler than two
			}
			if f, ok := list[i].shape.Solve(k, known); ok && list[i].shape.Fits(known.And(f)) {
				all = append(all, guess{math.Log(f.Flat * f.Input), n})
			}
		}
	}
	slices.SortFunc(all, func(a, b guess) int { return cmp.Or(cmp.Compare(a.log, b.log), cmp.Compare(a.n, b.n)) })
	best, at, sum, from := 0.0, 0.0, 0.0, 0
	for _, g := range all {
		for sum += g.n; g.log-all[from].log > cohort.FaultTolerance; from++ {
			sum -= all[from].n
		}
		if sum > best {
			best, at = sum, (g.log+all[from].log)/2
		}
	}
	f := cohort.None
	switch k {
	case cohort.Undiscounted:
		f.Full = true
	case cohort.Repriced:
		f.Flat = math.Exp(at)
	case cohort.Recounted:
		f.Input = math.Exp(at)
	case cohort.NumKinds:
	}
	return f, best > 0
}

// settle finds the fault of an incident in the rows of its scope: the one that it was, while that still explains some, else the one of
// the most rows.
func (f *fleet) settle(l *live) {
	if l.flag != cohort.Over || l.user != "" {
		return
	}
	was := l.fault
	found := sortOut(f.overs(l.where, l.onset, l))
	l.fault = nil
	nearest := -1
	for i := range found {
		near := 0
		switch x := found[i]; {
		case was == nil:
		case x.Like(*was):
			near = 2 // of several of a kind the others are not it
		case x.Kind() == was.Kind():
			near = 1
		}
		if near > nearest {
			l.fault, nearest = &found[i].Fault, near
		}
	}
	if (was == nil) != (l.fault == nil) || was != nil && !was.Like(*l.fault) {
		l.summedFrom = 0 // other rows are its own
		f.resum(l)
	}
}
