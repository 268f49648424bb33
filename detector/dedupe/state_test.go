package dedupe

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/state"
)

func saved(s *Set) []byte { return state.Append(nil, "ids", 1, s.Code) }

// A set that was read says what the one that was written would have said, and ends up the same.
func TestSetGoesOnFromItsState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.Int64Range(1, int64(48*time.Hour)).Draw(t, "window"))
		s := New(Options{Window: window})
		s.log.base = rapid.SampledFrom([]uint64{0, 1<<32 - blockLen}).Draw(t, "base")
		s.log.first, s.log.next = s.log.base, s.log.base
		head := int64(0)
		type call struct {
			move int64
			id   string
			what uint64
		}
		calls := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) call {
			return call{rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 0, 1, 2, 26}).Draw(t, "move") * s.segment, fmt.Sprint(rapid.IntRange(0, 20).Draw(t, "id")), uint64(rapid.IntRange(0, 1).Draw(t, "what"))}
		}), 0, 200).Draw(t, "calls")
		cut := rapid.IntRange(0, len(calls)).Draw(t, "cut")
		other, marked := (*Set)(nil), inPieces{}
		for i, x := range calls {
			if i == cut {
				other = New(Options{Window: window})
				if err := state.Restore(saved(s), "ids", 1, other.Code); err != nil {
					t.Fatal(err)
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "mark") == 0 {
				marked.check(t, s)
				marked.mark(s)
			}
			head += x.move
			s.Advance(head)
			want := s.Add("u", x.id, x.what)
			if other == nil {
				continue
			}
			other.Advance(head)
			if got := other.Add("u", x.id, x.what); got != want {
				t.Fatalf("call %d: %s, want %s", i, got, want)
			}
		}
		if other != nil && !bytes.Equal(saved(s), saved(other)) {
			t.Fatal("the two sets have come apart")
		}
	})
}

// inPieces is what a set was at a mark, and its pieces as they were written last.
type inPieces struct {
	want, head []byte
	written    map[int][]byte
}

func (p *inPieces) mark(s *Set) {
	s.Pieces().Mark()
	p.want, p.head = saved(s), state.Append(nil, "head", 1, s.CodeHead)
}

// check writes what has changed up to the mark, however long ago that is, and expects that all pieces make what there was.
func (p *inPieces) check(t rapid.TB, s *Set) {
	if p.want == nil {
		return
	}
	from, to := s.Pieces().Range()
	other := New(Options{Window: time.Duration(s.segment * segmentsPerWindow)})
	if err := state.Restore(p.head, "head", 1, other.CodeHead); err != nil {
		t.Fatal(err)
	}
	if p.written == nil {
		p.written = map[int][]byte{}
	}
	for k := from; k < to; k++ {
		if p.written[k] == nil || s.Pieces().Changed(k) {
			p.written[k] = state.Append(nil, "piece", 1, func(c *state.Coder) { s.Pieces().Code(c, k) })
		}
		if err := state.Restore(p.written[k], "piece", 1, func(c *state.Coder) { other.Pieces().Code(c, k) }); err != nil {
			t.Fatal(err)
		}
	}
	s.Pieces().Release()
	if !bytes.Equal(saved(other), p.want) {
		t.Fatal("the pieces are not what there was at the mark")
	}
}

// Over several pieces, while the oldest are forgotten.
func TestSetInPieces(t *testing.T) {
	s := New(Options{})
	var p inPieces
	for i := range 4*pieceLen - 100 {
		if i%30_000 == 0 {
			p.check(t, s)
			p.mark(s)
		}
		s.Advance(int64(i) * (int64(24*time.Hour) / pieceLen))
		s.AddKey(uint64(i), 1)
	}
	p.check(t, s)
	if from, _ := s.Pieces().Range(); from == 0 || len(p.written) < 4 {
		t.Errorf("%d pieces were written, and none is forgotten", len(p.written))
	}
}

// Every field that changes what a set says is in its state: the model above would not notice a counter.
func TestSetKeepsCounters(t *testing.T) {
	s, other := New(Options{}), New(Options{})
	s.overflowed = 7
	if err := state.Restore(saved(s), "ids", 1, other.Code); err != nil || other.Overflowed() != 7 {
		t.Errorf("%d rows overflowed, %v; want 7", other.Overflowed(), err)
	}
	err := state.Restore(saved(s), "ids", 1, New(Options{Window: time.Hour}).Code)
	if err == nil || !strings.Contains(err.Error(), "remembered for 24h0m0s, and the configuration says 1h0m0s") {
		t.Errorf("another window: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	s := New(Options{})
	s.Advance(1782396007e9)
	s.Add("u", "r", 1)
	b := saved(s)
	f.Add(b[9 : len(b)-8])
	f.Fuzz(func(_ *testing.T, body []byte) {
		b := state.Append(nil, "ids", 1, func(c *state.Coder) { copy(c.Raw(len(body)), body) })
		s := New(Options{})
		if state.Restore(b, "ids", 1, s.Code) == nil {
			for i := range 100 {
				s.Add("u", fmt.Sprint(i), 1)
			}
			s.Advance(1 << 62)
			s.Add("u", "r", 1)
		}
	})
}
