package detector

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drainwatch/drainwatch/detector/state"
)

// sliceBytes is about how much of a shard's state is written between two batches: a millisecond's work.
var sliceBytes = 1 << 20

// A shard is kept in parts: a head, and pieces of what is large. At the mark the head is written and the pieces are fixed; they are written
// between batches, and what a row changes before its piece is written is put aside first. So no row waits for all of it.
const partOfHead = "head"

// kept is a structure that is kept in pieces, by name. Those of one group are parts of one thing, and read one after the other.
type kept struct {
	name  string
	of    state.Pieces
	group int
}

func (k *kept) part(n int) string { return k.name + "-" + strconv.Itoa(n) }

// pieces lists what is kept in pieces, in the order in which it is read.
func (s *shard) pieces() (all []kept) {
	group := 0
	add := func(name string, p state.Pieces) { all = append(all, kept{name, p, group}) }
	alone := func(name string, p state.Pieces) { group++; add(name, p) }
	s.users.Pieces(add)
	alone("rows", s.class.rows.Pieces())
	alone("requests", s.class.requests.Pieces())
	alone("copies", s.class.copies.Pieces())
	alone("gauges", s.class.gauges.Users())
	alone("budgets", s.budgets.Accounts())
	alone("ties", s.ties.Pieces(codeDay))
	s.threads.Pieces(alone)
	return all
}

func codeDay(seen *uint32, c *state.Coder) { state.Uints(c, seen) }

// marking is a shard's state as of a mark, while it is written.
type marking struct {
	all  []kept
	todo []todo
	size map[string]int // of the last piece of each structure: the next may be as large
	out  chan Part      // has room for all
	dst  []Part         // in order; those that are in out have a name only

	markedAt time.Time     // zero once something is written
	stalled  time.Duration // for how long the shard stood still at most, at once; others read it when out is closed
}

type todo struct {
	kept *kept
	n    int
}

// mark fixes the shard's state. Pieces that have not changed since they were kept, and are held still, are not written again.
func (s *shard) mark(held func(hash string) bool) *marking {
	m := &marking{all: s.pieces(), size: map[string]int{}}
	for i := range m.all {
		m.all[i].of.Mark()
	}
	m.dst = append(m.dst, Part{Name: partOfHead})
	for i := range m.all {
		k := &m.all[i]
		for n, to := k.of.Range(); n < to; n++ {
			p := Part{Name: k.part(n)}
			if was, ok := s.keptAs[p.Name]; ok && !k.of.Changed(n) && held != nil && held(was.Hash) {
				p = was
			} else {
				m.todo = append(m.todo, todo{k, n})
			}
			m.dst = append(m.dst, p)
		}
	}
	m.out = make(chan Part, len(m.todo)+1)
	m.out <- Part{Name: partOfHead, Bytes: state.Append(nil, "shard", shardLayout, s.codeHead)}
	s.keptAs = nil // until all of it is known to be written
	return m
}

// step writes some of what is left, and says whether that was all.
func (m *marking) step() (done bool) {
	for left := sliceBytes; left > 0 && len(m.todo) > 0; m.todo = m.todo[1:] {
		t := m.todo[0]
		b := state.Append(make([]byte, 0, m.size[t.kept.name]*17/16), t.kept.name, shardLayout, func(c *state.Coder) { t.kept.of.Code(c, t.n) })
		m.size[t.kept.name] = len(b)
		m.out <- Part{Name: t.kept.part(t.n), Bytes: b}
		left -= len(b)
	}
	return len(m.todo) == 0
}

// release ends the marking, written or not.
func (m *marking) release() {
	for i := range m.all {
		m.all[i].of.Release()
	}
	close(m.out)
}

var always = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// writes is ready while there is state to write.
func (w *worker) writes() <-chan struct{} {
	if w.marking == nil {
		return nil
	}
	return always
}

// write writes some of the state, if there is some to write.
func (w *worker) write() {
	m := w.marking
	if m == nil {
		return
	}
	began := time.Now()
	if !m.markedAt.IsZero() { // rows have waited since
		began, m.markedAt = m.markedAt, time.Time{}
	}
	done := m.step()
	if m.stalled = max(m.stalled, time.Since(began)); done {
		w.marking = nil
		m.release()
	}
}

// fix fixes the shard's state, in its goroutine.
func (w *worker) fix(held func(hash string) bool) *marking {
	at := time.Now()
	if w.marking != nil { // nobody waits for it any more
		w.marking.release()
	}
	w.marking = w.mark(held)
	w.marking.markedAt = at
	return w.marking
}

// collect waits for a shard's state to be fixed and written.
func (w *worker) collect(ctx context.Context, marked <-chan *marking) (parts []Part, stalled time.Duration, err error) {
	select {
	case m := <-marked:
		if parts, err = m.collect(ctx, w.ctx); err == nil {
			w.keptAs = keptAlike(parts) // its goroutine looks at the next mark
		}
		return parts, m.stalled, err
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	case <-w.ctx.Done():
		return nil, 0, context.Cause(w.ctx)
	}
}

// collect takes the parts as they are written.
func (m *marking) collect(ctx, engine context.Context) ([]Part, error) {
	at := make(map[string]int, len(m.dst))
	for i := range m.dst {
		at[m.dst[i].Name] = i
	}
	for {
		select {
		case p, more := <-m.out:
			if !more {
				return m.dst, nil
			}
			m.dst[at[p.Name]] = NewPart(p.Name, p.Bytes)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-engine.Done():
			return nil, context.Cause(engine)
		}
	}
}

// keptAlike notes how parts were kept, or read.
func keptAlike(parts []Part) map[string]Part {
	all := make(map[string]Part, len(parts))
	for _, p := range parts {
		p.Bytes = nil
		all[p.Name] = p
	}
	return all
}

// restore takes the parts of a shard of the same partition into a new one: structures that have nothing to do with each other side by side.
func (s *shard) restore(parts []Part) error {
	by := make(map[string][]byte, len(parts))
	for _, p := range parts {
		by[p.Name] = p.Bytes
	}
	head, ok := by[partOfHead]
	if !ok {
		return fmt.Errorf("restore shard: its part %s is missing", partOfHead)
	}
	if err := state.Restore(head, "shard", shardLayout, s.codeHead); err != nil {
		return err
	}
	var side errgroup.Group
	side.SetLimit(runtime.GOMAXPROCS(0))
	for all := s.pieces(); len(all) > 0; {
		n := 1
		for n < len(all) && all[n].group == all[0].group {
			n++
		}
		group := all[:n]
		all = all[n:]
		side.Go(func() error {
			for i := range group {
				if err := group[i].restore(by); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := side.Wait(); err != nil {
		return err
	}
	s.budgets.Restored()
	s.keptAs = keptAlike(parts)
	return nil
}

// restore reads a structure.
func (k *kept) restore(by map[string][]byte) error {
	for n, to := k.of.Range(); n < to; n++ {
		b, ok := by[k.part(n)]
		if !ok {
			return fmt.Errorf("restore shard: its part %s is missing", k.part(n))
		}
		if err := state.Restore(b, k.name, shardLayout, func(c *state.Coder) { k.of.Code(c, n) }); err != nil {
			return fmt.Errorf("part %d: %w", n, err)
		}
	}
	return nil
}
