package detector

import (
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Bounds of a roll-up. A row of it costs 140 bytes, so that it holds at most 140 MB; 2,000 leaves that are busy in each five
// minutes of a day are 576,000.
const (
	rollupKeep      = 24 * cohort.Hour
	rollupMaxRows   = 1_000_000
	rollupMaxLeaves = 65_536
)

// Count names a count of rows, or of what they hold.
type Count uint8

// The counts of a roll-up.
const (
	CountRows      Count = iota // of kind usage, failed ones included
	CountRequests               // what was charged again counts once
	CountTurns                  //
	CountUsers                  // users at their first row of an hour: over an hour active users, over several user-hours
	CountFailures               // rows whose status is not ok
	CountOver                   // rows above their price
	CountRepeated               // rows that charge again
	CountPenalties              // rows of an enforcement system
	CountInput                  // tokens
	CountCached                 //
	CountOutput                 //
	NumCounts
)

// Money names a sum of credits.
type Money uint8

// The sums of a roll-up.
const (
	MoneyCredits Money = iota // all charges
	MoneyPriced               // charged on rows whose price is known
	MoneyList                 // that price
	NumMoney
)

// Totals are sums of rows. Money is exact.
type Totals struct {
	Counts [NumCounts]int64
	Money  [NumMoney]event.Sum
}

func (t *Totals) add(o *Totals) {
	for i := range t.Counts {
		t.Counts[i] += o.Counts[i]
	}
	for i := range t.Money {
		t.Money[i].AddSum(o.Money[i])
	}
}

func totalsOf(c *cohort.Cell) Totals {
	return Totals{
		[NumCounts]int64{
			c.Rows, c.Requests, c.Turns, c.Users, c.Failures,
			c.Flagged(cohort.Over).Rows, c.Flagged(cohort.Duplicate).Rows + c.Flagged(cohort.Copy).Rows, c.Flagged(cohort.Penalised).Rows,
			c.Input, c.Cached, c.Output,
		},
		[NumMoney]event.Sum{c.Credits, c.Priced, c.List},
	}
}

// Rollup is what every combination of dimension values did over the last day, five minutes at a time. It never changes once
// published.
type Rollup struct {
	At     int64 // event time up to which it is complete
	Rows   int64 // records read by then
	Users  int   // known by then
	Folded int64 // cells that were counted under cohort.Other, for room
	leaves []*cohort.Leaf
	slabs  []*slab
}

// slab is five minutes, a column for each sum: a question reads few of them. What was published is not written to again: see
// roller.
type slab struct {
	at     int64
	leaf   []uint32
	counts [NumCounts][]int64
	money  [NumMoney][]event.Sum
}

func (s *slab) clone() *slab {
	c := &slab{at: s.at, leaf: slices.Clone(s.leaf)}
	for i := range s.counts {
		c.counts[i] = slices.Clone(s.counts[i])
	}
	for i := range s.money {
		c.money[i] = slices.Clone(s.money[i])
	}
	return c
}

func (s *slab) append(leaf uint32, t *Totals) {
	s.leaf = append(s.leaf, leaf)
	for i := range s.counts {
		s.counts[i] = append(s.counts[i], t.Counts[i])
	}
	for i := range s.money {
		s.money[i] = append(s.money[i], t.Money[i])
	}
}

func (s *slab) add(row int, t *Totals) {
	for i := range s.counts {
		s.counts[i][row] += t.Counts[i]
	}
	for i := range s.money {
		s.money[i][row].AddSum(t.Money[i])
	}
}

// sum adds what the rows hold of the fields to totals: the cohort that of says, −1 for none, has the one at its number times
// stride plus offset.
func (s *slab) sum(f *Fields, of []int32, totals []Totals, stride, offset int) {
	for _, k := range f.Counts {
		column := s.counts[k][:len(s.leaf)]
		for i, leaf := range s.leaf {
			if g := of[leaf]; g >= 0 {
				totals[int(g)*stride+offset].Counts[k] += column[i]
			}
		}
	}
	for _, k := range f.Money {
		column := s.money[k][:len(s.leaf)]
		for i, leaf := range s.leaf {
			if g := of[leaf]; g >= 0 {
				totals[int(g)*stride+offset].Money[k].AddSum(column[i])
			}
		}
	}
}

// roller builds roll-ups in the fleet's goroutine. Readers have what it published; a slab that they may hold is copied before it
// changes, which late rows and the present five minutes do.
type roller struct {
	leaves  []*cohort.Leaf
	number  map[*cohort.Leaf]uint32
	same    map[[event.NumDims]string]uint32 // by values: a leaf that was forgotten may come back as another
	slabs   []openSlab                       // by time
	rows    int
	folded  int64
	tried   bool // to make room for leaves, in these five minutes
	changed bool
}

type openSlab struct {
	*slab
	shared bool
	index  map[uint32]int // of rows by leaf; nil until needed
}

func newRoller() *roller {
	return &roller{number: map[*cohort.Leaf]uint32{}, same: map[[event.NumDims]string]uint32{}}
}

// add counts a cell of a leaf. The leaf must be the one that the store keeps for its values.
func (r *roller) add(leaf *cohort.Leaf, at int64, c *cohort.Cell) {
	b := r.slab(at - at%cohort.Five)
	if b == nil {
		return
	}
	r.changed = true
	if b.shared {
		b.slab, b.shared = b.clone(), false
	}
	n := r.leaf(leaf)
	if b.index == nil {
		b.index = make(map[uint32]int, len(b.leaf))
		for i, leaf := range b.leaf {
			b.index[leaf] = i
		}
	}
	t := totalsOf(c)
	if i, ok := b.index[n]; ok {
		b.add(i, &t)
		return
	}
	b.index[n] = len(b.leaf)
	b.append(n, &t)
	r.rows++
}

// slab returns the five minutes that start at, nil if they are too old.
func (r *roller) slab(at int64) *openSlab {
	n := len(r.slabs)
	i := n
	for i > 0 && r.slabs[i-1].at > at {
		i--
	}
	if i > 0 && r.slabs[i-1].at == at {
		return &r.slabs[i-1]
	}
	if n > 0 && at <= r.slabs[n-1].at-rollupKeep {
		return nil
	}
	r.slabs = slices.Insert(r.slabs, i, openSlab{slab: &slab{at: at}})
	newest := r.slabs[len(r.slabs)-1].at
	for len(r.slabs) > 1 && i > 0 && (r.slabs[0].at <= newest-rollupKeep || r.rows > rollupMaxRows) {
		r.rows -= len(r.slabs[0].leaf)
		r.slabs[0] = openSlab{}
		r.slabs = r.slabs[1:]
		i--
	}
	for k := range r.slabs[:max(len(r.slabs)-2, 0)] {
		r.slabs[k].index = nil // late rows are few: found again when one comes
	}
	r.tried = false
	return &r.slabs[i]
}

// leaf numbers a leaf. When there are too many, those of the day before yesterday go; and if that is not enough, what is new
// counts under cohort.Other.
func (r *roller) leaf(leaf *cohort.Leaf) uint32 {
	n, ok := r.number[leaf]
	if ok {
		return n
	}
	if n, ok = r.same[leaf.Values]; ok {
		r.number[leaf] = n
		return n
	}
	if len(r.leaves) >= rollupMaxLeaves && !r.tried {
		r.tried = true
		r.forget()
	}
	if len(r.leaves) >= rollupMaxLeaves {
		r.folded++
		leaf = otherLeaf
		if n, ok = r.number[leaf]; ok {
			return n
		}
	}
	n = uint32(len(r.leaves))
	r.leaves = append(r.leaves, leaf) // readers see a shorter slice of the same array
	r.number[leaf], r.same[leaf.Values] = n, n
	return n
}

// otherLeaf is where what has no room is counted.
var otherLeaf = func() *cohort.Leaf {
	l := &cohort.Leaf{}
	for d := range l.Values {
		l.Values[d] = cohort.Other
	}
	return l
}()

// forget numbers the leaves that some slab still holds anew.
func (r *roller) forget() {
	old := r.leaves
	fresh := make([]*cohort.Leaf, 0, len(old))
	number := map[*cohort.Leaf]uint32{}
	for i := range r.slabs {
		b := &r.slabs[i]
		b.slab, b.shared, b.index = b.clone(), false, nil
		for k := range b.leaf {
			leaf := old[b.leaf[k]]
			n, ok := number[leaf]
			if !ok {
				n = uint32(len(fresh))
				fresh, number[leaf] = append(fresh, leaf), n
			}
			b.leaf[k] = n
		}
	}
	r.leaves, r.number = fresh, number
	clear(r.same)
	for n, leaf := range fresh {
		r.same[leaf.Values] = uint32(n)
	}
}

// publish returns what is known at an event time.
func (r *roller) publish(at int64) *Rollup {
	p := &Rollup{At: at, Folded: r.folded, leaves: slices.Clip(r.leaves), slabs: make([]*slab, len(r.slabs))}
	for i := range r.slabs {
		r.slabs[i].shared = true
		p.slabs[i] = r.slabs[i].slab
	}
	r.changed = false
	return p
}

// From returns the start of the first five minutes that are held, 0 without any.
func (r *Rollup) From() int64 {
	if len(r.slabs) == 0 {
		return 0
	}
	return r.slabs[0].at
}
