package window

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/event"
)

func metered() *Meter {
	return NewMeter(map[string]Budget{"pro": {FiveHour: 40 * event.Credit, Weekly: 300 * event.Credit, Pools: map[string]event.Credits{"supplementary": 50 * event.Credit}}})
}

// steady charges credits every five minutes, from first to last of them.
func steady(m *Meter, first, last int, credits float64, change func(*event.Event)) (dry []int) {
	for k := first; k <= last; k++ {
		e := charge(300*k, credits, -1, 0)
		if change != nil {
			change(e)
		}
		if m.Row(1, e).Dry {
			dry = append(dry, k)
		}
	}
	return dry
}

func stateOf(m *Meter, sec int) State { return m.States(at(sec))[0] }

// A window of 40 credits takes 60 charges of two thirds in its five hours: above that it ends early.
func TestRunsDry(t *testing.T) {
	for _, c := range []struct {
		name    string
		credits float64
		until   int
		dry     bool
	}{
		{"at half the pace", 0.33, 50, false},
		{"at nine tenths of it", 0.6, 50, false},
		{"at twice the pace", 1.33, 20, true},
		{"at ten times", 6.7, 7, true},
		{"at ten times for a moment: a tenth of a window is too little to say", 6.7, 3, false},
	} {
		m := metered()
		dry := steady(m, 0, c.until, c.credits, nil)
		if (len(dry) > 0) != c.dry || stateOf(m, 300*c.until).Dry != min(len(dry), 1) {
			t.Errorf("%s: dry at charges %v, state %+v", c.name, dry, stateOf(m, 300*c.until))
		}
	}
}

// A pace that has ended says nothing for the future, and a user counts once an hour.
func TestDryOnceAnHour(t *testing.T) {
	m := metered()
	if dry := steady(m, 0, 35, 1.5, nil); len(dry) != 3 {
		t.Errorf("dry at charges %v in the three hours, want three", dry)
	}
	if s := stateOf(m, 300*35); s.Dry != 1 || s.Within != [2]int{1, 1} {
		t.Errorf("%+v after 54 credits", s)
	}
	m = metered()
	steady(m, 0, 20, 1.5, nil)
	if s := stateOf(m, 4*3600+1800); s.Dry != 0 || s.Users != 1 {
		t.Errorf("%+v after hours of rest with 8 credits left", s)
	}
	if s := stateOf(m, 6*3600); s.Users != 0 {
		t.Errorf("%+v after the window's end", s)
	}
}

// Time to exhaustion is what is left over the pace of lately.
func TestLeft(t *testing.T) {
	for _, c := range []struct {
		used, fast float64
		want       time.Duration
	}{{20, 10, 2 * time.Hour}, {40, 10, 0}, {45, 0, 0}, {20, 0, Never}, {20, 1e-12, Never}} {
		if b := burn(c.used, c.fast, 40, 3600, 4*3600); b.Left != c.want || b.Used != c.used/40 {
			t.Errorf("%v used at %v an hour: %v left, want %v", c.used, c.fast, b.Left, c.want)
		}
	}
}

// The fading pace of a steady draw is the draw.
func TestPace(t *testing.T) {
	m := metered()
	steady(m, 0, 57, 0.5, nil)
	s := stateOf(m, 300*57)
	if fast := s.PerHour[0].Float64(); fast < 5.5 || fast > 6.5 {
		t.Errorf("pace %.2f credits an hour of 6", fast)
	}
	if slow := s.PerHour[1].Float64(); slow < 5.9 || slow > 6.2 {
		t.Errorf("since the window began %.2f credits an hour of 6", slow)
	}
}

func TestWindows(t *testing.T) {
	t.Run("a reset gives all back", func(t *testing.T) {
		m := metered()
		steady(m, 0, 20, 1.5, nil)
		m.Row(1, reset(300*20+1, "total"))
		steady(m, 21, 21, 1.5, nil)
		if a := m.users.Get(1); a.used != 1.5 || a.week != 1.5 {
			t.Errorf("%v and %v credits used after a reset and a charge of 1.5", a.used, a.week)
		}
	})
	t.Run("a window begins with use", func(t *testing.T) {
		m := metered()
		steady(m, 0, 0, 1, nil)
		steady(m, 70, 70, 2, nil)
		if a := m.users.Get(1); a.used != 2 || a.week != 3 {
			t.Errorf("%v in the window and %v in the week, want 2 and 3", a.used, a.week)
		}
	})
	t.Run("a gauge names its end", func(t *testing.T) {
		m := metered()
		m.Row(1, charge(0, 1, 0.5, 3600))
		if a := m.users.Get(1); a.ends != uint32(at(3600)/1e9) {
			t.Errorf("ends %d", a.ends)
		}
		m.Row(1, charge(3700, 1, 0.025, 3700+18_000))
		if a := m.users.Get(1); a.used != 1 || a.ends != uint32(at(3700+18_000)/1e9) {
			t.Errorf("%v used in a window that has just begun, until %d", a.used, a.ends)
		}
	})
	t.Run("a refund gives back", func(t *testing.T) {
		m := metered()
		steady(m, 0, 1, 3, nil)
		steady(m, 2, 2, -2, func(e *event.Event) { e.Kind = event.Refund })
		if a := m.users.Get(1); a.used != 4 {
			t.Errorf("%v used, want 4", a.used)
		}
	})
	t.Run("another plan is another budget", func(t *testing.T) {
		m := NewMeter(map[string]Budget{"pro": {FiveHour: 40 * event.Credit}, "team": {FiveHour: 60 * event.Credit}})
		steady(m, 0, 3, 3, nil)
		steady(m, 4, 4, 3, func(e *event.Event) { e.Dims[event.Plan] = "team" })
		if s := m.States(at(1500)); s[0].Users != 0 || s[1].Users != 1 || m.users.Get(1).used != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// A pool that is emptied in hours is seen, and leaves the plan's windows alone.
func TestPool(t *testing.T) {
	m := metered()
	pool := func(e *event.Event) { e.Dims[event.Pool] = "supplementary" }
	steady(m, 0, 24, 1.5, pool)
	s := stateOf(m, 300*24)
	if p := s.Pools[0]; p.Pool != "supplementary" || p.Users != 1 || p.Within != [2]int{0, 1} {
		t.Errorf("37.5 credits of 50 in two hours: %+v", p)
	}
	steady(m, 25, 30, 1.5, pool)
	if p := stateOf(m, 300*30).Pools[0]; p.Within != [2]int{1, 1} {
		t.Errorf("46.5 credits of 50: %+v", p)
	}
	if a := m.users.Get(1); a.used != 0 || a.week != 0 {
		t.Errorf("%v of the window and %v of the week are used", a.used, a.week)
	}
	steady(m, 31, 33, 1.5, pool)
	if a := m.users.Get(1); a.pool > 5 {
		t.Errorf("%v drawn from a pool that was bought again", a.pool)
	}
}

// States of partitions add up to the state of all users in one.
func TestStatesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, parts := metered(), []*Meter{metered(), metered(), metered()}
		for k := range rapid.IntRange(1, 200).Draw(t, "rows") {
			user := rapid.Uint64Range(0, 9).Draw(t, "user")
			e := charge(120*k, rapid.Float64Range(0, 5).Draw(t, "credits"), -1, 0)
			if rapid.IntRange(0, 4).Draw(t, "pool") == 0 {
				e.Dims[event.Pool] = "supplementary"
			}
			whole.Row(user, e)
			parts[user%3].Row(user, e)
		}
		var sum State
		for _, m := range parts {
			s := stateOf(m, 30_000)
			sum.Add(&s)
		}
		if want := stateOf(whole, 30_000); fmt.Sprint(sum) != fmt.Sprint(want) {
			t.Fatalf("parts add up to %+v, all are %+v", sum, want)
		}
	})
}

func TestMeterSize(t *testing.T) {
	m := metered()
	e := charge(0, 0.01, -1, 0)
	if n := costs(func(key uint64) { m.Row(key, e) }); n > MeterBytes || m.users.Len() == 0 {
		t.Errorf("a user costs %d bytes, stated are %d", n, MeterBytes)
	}
	m = metered()
	other := charge(0, 1, -1, 0)
	other.Dims[event.Plan] = "free"
	m.Row(2, other)
	m.Row(3, reset(0, "total"))
	m.Row(1, e)
	if m.users.Len() != 1 {
		t.Errorf("%d users followed, want the one with a budget", m.users.Len())
	}
	if n := testing.AllocsPerRun(1000, func() {
		e.Time += int64(time.Second)
		m.Row(1, e)
	}); n > 0 {
		t.Errorf("%v allocations a row of a known user", n)
	}
	m.States(at(9 * 86400))
	if m.users.Len() != 0 {
		t.Error("a user is remembered after nine days of silence")
	}
}
