package profile

import (
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// What the rows of a turn say once it is known that requests are missing, or their tokens: one letter each, g and s where the row shows
// that, G and S where it could and does not, - where it says nothing.
func TestHindsight(t *testing.T) {
	user := func(at, input, cached, output int64) ask {
		return ask{at: at, input: input, cached: cached, output: output, turn: "t1", origin: "user"}
	}
	by := func(origin string, at, input, cached, output int64) ask {
		return ask{at: at, input: input, cached: cached, output: output, turn: "t1", origin: origin}
	}
	talk := []ask{user(0, 4000, 1536, 400), by("tool", 20, 4900, 3584, 300), by("tool", 40, 5700, 4608, 500), by("tool", 60, 6500, 5632, 200)}
	without := func(i int) []ask { return slices.Delete(slices.Clone(talk), i, i+1) }
	tenth := func(from int) []ask {
		out := slices.Clone(talk)
		for i := from; i < len(out); i++ {
			out[i].input, out[i].cached = out[i].input/10, out[i].cached/10
		}
		return out
	}
	for _, c := range []struct {
		why   string
		asks  []ask
		gap   string
		short string
		begun []int64
	}{
		{"each goes on from the one before", talk, "-GGG", "-SSS", []int64{0}},
		{"the third is missing: the first leap counts, though Threads waits for a second", without(2), "-Gg", "-SS", []int64{0}},
		{"the second is", without(1), "-gG", "-SS", []int64{0}},
		{"the prompt is: a tool has begun the turn", append([]ask{{at: -90, input: 3000, output: 100, turn: "t0", origin: "user"}}, talk[1:]...), "-gGG", "--SS", nil},
		{"a subagent's second is: that the turn's prompt was longer does not explain what its third read", []ask{user(0, 40000, 1536, 400), by("subagent", 20, 3000, 1536, 300), by("subagent", 40, 5700, 4608, 500)}, "--g", "---", []int64{0}},
		{"a subagent that begins anew beside it says nothing", []ask{talk[0], talk[1], by("subagent", 30, 2000, 1536, 100), talk[2]}, "-G-G", "-S-S", []int64{0}},
		{"a tenth is counted from the third on: it is shorter than the one before, and grows by less than its answer", tenth(2), "-G-G", "-Sss", []int64{0}},
		{"a subagent may begin anew, and one that grows by less than its answer is short", []ask{talk[0], by("subagent", 20, 500, 0, 300), by("subagent", 30, 520, 0, 100)}, "---", "---", []int64{0}},
		{"what is asked again says nothing", []ask{talk[0], by("retry", 20, 9000, 8192, 100)}, "--", "--", nil},
	} {
		h := NewHindsight()
		gap, short := "", ""
		var begun []int64
		letter := func(told Told, f cohort.Flag, name string) string {
			switch {
			case told.Shows.Has(f):
				return name
			case told.Tells.Has(f):
				return string(name[0] - 32)
			}
			return "-"
		}
		turn := ""
		for _, a := range c.asks {
			told := h.Row(1, a.row(), a.turn != turn)
			turn = a.turn
			gap, short = gap+letter(told, cohort.Gap, "g"), short+letter(told, cohort.Short, "s")
			if told.Begun != 0 {
				begun = append(begun, (told.Begun-monday)/1e9)
			}
		}
		if gap != c.gap || short != c.short || !slices.Equal(begun, c.begun) {
			t.Errorf("%s: gaps %s, short %s, prompts at %v; want %s, %s, %v", c.why, gap, short, begun, c.gap, c.short, c.begun)
		}
	}
}
