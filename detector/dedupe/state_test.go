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
		other := (*Set)(nil)
		for i, x := range calls {
			if i == cut {
				other = New(Options{Window: window})
				if err := state.Restore(saved(s), "ids", 1, other.Code); err != nil {
					t.Fatal(err)
				}
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
