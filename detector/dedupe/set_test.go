package dedupe

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const hour = int64(time.Hour)

// model remembers every first arrival for ever, in order, and knows by the rule of the window which of them may
// still be remembered. The set keeps a suffix of them: since rows leave at the front only, that says all.
type model struct {
	order   []string // first arrivals, again where a forgotten one came again
	hours   []int64
	content map[string]uint64
	at      map[string]int // index into order
	first   int            // the suffix that the window's rule keeps
	head    int64
}

func newModel() *model {
	return &model{content: map[string]uint64{}, at: map[string]int{}, head: math.MinInt64}
}

func (m *model) advance(head, segment int64) {
	m.head = max(m.head, floorDiv(head, segment))
	for m.first < len(m.order) && m.hours[m.first]+24 < m.head {
		m.first++
	}
}

// add returns the verdict where only the last live arrivals are remembered.
func (m *model) add(key string, content uint64, live int64) Verdict {
	if i, ok := m.at[key]; ok && i >= len(m.order)-int(live) {
		if m.content[key] == content {
			return Duplicate
		}
		return Conflict
	}
	m.at[key], m.content[key] = len(m.order), content
	m.order = append(m.order, key)
	m.hours = append(m.hours, m.head)
	return First
}

func TestSetAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.Int64Range(1, int64(48*time.Hour)).Draw(t, "window"))
		s, m := New(Options{Window: window}), newModel()
		head := rapid.Int64Range(-hour, 1782396007e9).Draw(t, "start")
		s.Advance(head)
		m.advance(head, s.segment)
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "op") == 0 {
				head += rapid.OneOf(rapid.Int64Range(-s.segment, 2*s.segment), rapid.Int64Range(0, 30*s.segment)).Draw(t, "move")
				s.Advance(head)
				m.advance(head, s.segment)
			}
			user, id := fmt.Sprint("u", rapid.IntRange(0, 5).Draw(t, "user")), fmt.Sprint("r", rapid.IntRange(0, 5).Draw(t, "id"))
			content := uint64(rapid.IntRange(0, 1).Draw(t, "content"))
			want := m.add(user+" "+id, content, int64(len(m.order)-m.first))
			if got := s.Add(user, id, content); got != want {
				t.Fatalf("Add(%s, %s, %d) = %s, want %s", user, id, content, got, want)
			}
			if got, want := s.Stats().Entries, int64(len(m.order)-m.first); got != want || s.Overflowed() != 0 {
				t.Fatalf("%d entries, %d overflowed, want %d and 0", got, s.Overflowed(), want)
			}
		}
	})
}

// Many rows through a small memory: it never exceeds the cap, what it forgets for that is counted to the row, and what it
// still holds it knows. The start of the log is set so that its 32-bit positions wrap on the way.
func TestSetWithinItsCap(t *testing.T) {
	for _, perHour := range []int{500, 20_000, 1_000_000} {
		t.Run(fmt.Sprint(perHour, " an hour"), func(t *testing.T) {
			s, m := New(Options{MaxBytes: MinMaxBytes}), newModel()
			s.log.base = 1<<32 - 16*blockLen
			s.log.first, s.log.next = s.log.base, s.log.base
			verdicts := map[Verdict]int{}
			expired := 0
			for i := range 300_000 {
				head := int64(i/perHour) * hour
				was, lost := s.Stats().Entries, s.Overflowed()
				s.Advance(head)
				m.advance(head, s.segment)
				expired += int(was - s.Stats().Entries)
				if s.Overflowed() != lost {
					t.Fatal("Advance counts as overflow what its time had come for")
				}
				key, content := i, uint64(0)
				switch i % 10 {
				case 7:
					key = i - i%5_000 - 1 // something of the last few thousand
				case 8:
					key, content = i-i%3_000-1, 1
				case 9:
					key = i / 2
				}
				name := fmt.Sprint(key)
				want := m.add("u "+name, content, s.Stats().Entries)
				if got := s.Add("u", name, content); got != want {
					t.Fatalf("row %d: Add(%s, %d) = %s, want %s", i, name, content, got, want)
				}
				verdicts[want]++
				if b := s.Stats().Bytes; b > MinMaxBytes {
					t.Fatalf("row %d: %d bytes", i, b)
				}
				if got := len(m.order); int(s.Stats().Entries)+int(s.Overflowed())+expired != got {
					t.Fatalf("row %d: %d entries + %d overflowed + %d expired, but %d first arrivals", i, s.Stats().Entries, s.Overflowed(), expired, got)
				}
			}
			if s.log.next < 1<<32 && perHour > 500 || verdicts[First] == 0 || verdicts[Duplicate] == 0 || verdicts[Conflict] == 0 {
				t.Errorf("the run tests too little: position %d, verdicts %v", s.log.next, verdicts)
			}
			if over := s.Overflowed() > 0; over != (perHour > 500) {
				t.Errorf("%d overflowed", s.Overflowed())
			}
			if perHour > 500 && s.Stats().Entries < 25_000 {
				t.Errorf("only %d entries fit a mebibyte", s.Stats().Entries)
			}
		})
	}
}

func TestWindow(t *testing.T) {
	start := int64(1782396007e9) - 1782396007e9%hour
	tests := []struct {
		name  string
		after time.Duration
		want  Verdict
	}{
		{"at once", 0, Duplicate},
		{"within the window", 23 * time.Hour, Duplicate},
		{"a whole window later", 24*time.Hour + 59*time.Minute, Duplicate},
		{"past it, to the hour", 25 * time.Hour, First},
		{"days later", 100 * time.Hour, First},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{})
			s.Advance(start)
			s.Add("u", "r", 1)
			s.Advance(start + int64(tt.after))
			s.Advance(start) // must not move it back
			if got := s.Add("u", "r", 1); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// A redelivery does not prolong the life of the first arrival: a row that is sent again every day is found once a day.
func TestRedeliveryDoesNotProlong(t *testing.T) {
	s := New(Options{})
	s.Advance(0)
	s.Add("u", "r", 1)
	s.Advance(20 * hour)
	if got := s.Add("u", "r", 1); got != Duplicate {
		t.Fatalf("after 20 h: %s", got)
	}
	s.Advance(26 * hour)
	if got := s.Add("u", "r", 1); got != First {
		t.Errorf("after 26 h: %s", got)
	}
}

func TestAddBeforeAnyHead(t *testing.T) {
	s := New(Options{})
	s.Add("u", "r", 1)
	s.Advance(1782396007e9)
	if got := s.Add("u", "r", 1); got != Duplicate {
		t.Errorf("a row from before the first head: %s, want duplicate", got)
	}
	s.Advance(1782396007e9 + 26*hour)
	if got := s.Stats().Entries; got != 0 {
		t.Errorf("%d entries, want none a window later", got)
	}
}

func TestUserAndIDDoNotRunTogether(t *testing.T) {
	s := New(Options{})
	for _, p := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"", "abc"}, {"abc", ""}, {"c", "ab"}} {
		if got := s.Add(p[0], p[1], 0); got != First {
			t.Errorf("Add(%q, %q) = %s", p[0], p[1], got)
		}
	}
	if s.AddKey(1, 0) != First || s.AddKey(1, 0) != Duplicate || s.AddKey(1, 7) != Conflict || s.AddKey(2, 0) != First {
		t.Error("keys are not told apart")
	}
}

// E26: rows made to fall into one run of slots. An Add stays bounded, and what is not remembered is counted.
func TestFloodOfOneRun(t *testing.T) {
	s := New(Options{})
	const rows = maxRun + 500
	for i := range uint64(rows) {
		if got := s.add(0xabcdef1234<<24|i, 0); got != First { // one table, one tag
			t.Fatalf("row %d: %s", i, got)
		}
	}
	st := s.Stats()
	if st.Entries != maxRun || st.Overflowed != rows-maxRun {
		t.Errorf("%d entries, %d overflowed, want %d and %d", st.Entries, st.Overflowed, maxRun, rows-maxRun)
	}
	for i := range uint64(maxRun) {
		if got := s.add(0xabcdef1234<<24|i, 0); got != Duplicate {
			t.Fatalf("row %d again: %s", i, got)
		}
	}
	if got := s.Add("honest", "row", 0); got != First || s.Add("honest", "row", 0) != Duplicate {
		t.Error("another table suffers")
	}
}

// Two sets that see the same calls are the same to the byte, so that a replay is.
func TestDeterministic(t *testing.T) {
	run := func() string {
		s := New(Options{MaxBytes: MinMaxBytes, Window: time.Hour})
		var b strings.Builder
		for i := range 100_000 {
			s.Advance(int64(i) * int64(time.Second) / 4)
			fmt.Fprint(&b, s.Add(fmt.Sprint(i%7), fmt.Sprint(i%60_000), uint64(i%3)))
		}
		fmt.Fprint(&b, s.Stats(), s.index[5].slots, s.segments)
		return b.String()
	}
	if first, second := run(), run(); first != second {
		t.Error("two runs differ")
	}
}

// After a burst the memory comes back, spread over the following rows.
func TestMemoryComesBack(t *testing.T) {
	s := New(Options{})
	s.Advance(0)
	for i := range uint64(1_000_000) {
		s.AddKey(i, 0)
	}
	full := s.Stats().Bytes
	s.Advance(25 * hour)
	if got := s.Stats(); got.Entries != 0 || got.Overflowed != 0 {
		t.Fatalf("after the window: %+v", got)
	}
	for i := range uint64(2 * shards) {
		s.AddKey(1<<32+i, 0)
	}
	if got := s.Stats().Bytes; got > full/20 {
		t.Errorf("%d bytes for %d rows, after %d bytes for a million", got, s.Stats().Entries, full)
	}
}

func TestSteadyStateDoesNotAllocateTables(t *testing.T) {
	s := New(Options{Window: 24 * time.Second})
	i := uint64(0)
	add := func() {
		s.Advance(int64(i) * 1000)
		s.AddKey(i, 0)
		i++
	}
	for range 100_000 {
		add()
	}
	if n := testing.AllocsPerRun(50_000, add); n != 0 {
		t.Errorf("%v allocations an Add, want none amortised", n)
	}
}
