package window

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/state/statetest"
)

func TestStateKeepsEveryField(t *testing.T) {
	statetest.Kept(t, func(c *state.Coder, x *Tracker) { x.Code(c) }, "Tracker.wait", "plans.fixed")
	statetest.Kept(t, func(c *state.Coder, u *user) { u.code(c) })
	statetest.Kept(t, func(c *state.Coder, m *Meter) { m.Code(c) }, "Meter.index", "Meter.then", "budget.fiveHour", "budget.weekly", "budget.balances")
	statetest.Kept(t, func(c *state.Coder, a *account) { a.code(c) })
	statetest.Kept(t, func(c *state.Coder, s *State) { s.Code(c) })
}

// What the configuration says of plans now is what counts: budgets that came, went or changed, and pools that did.
func TestRestoreUnderOtherPlans(t *testing.T) {
	credits := func(n float64) event.Credits { return event.Credits(n * float64(event.Credit)) }
	was := New(Options{Budgets: map[string]event.Credits{"free": credits(5), "pro": credits(40)}})
	now := New(Options{Budgets: map[string]event.Credits{"pro": credits(50), "team": credits(90)}})
	was.plans.of("other")
	if err := state.Restore(state.Append(nil, "t", 1, was.Code), "t", 1, now.Code); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"free": 0, "pro": 50, "team": 90, "other": 0} {
		if k := now.plans.of(name); k == 0 || now.plans.budget(k) != want || now.plans.given[k] != (want > 0) {
			t.Errorf("plan %s has number %d and budget %v, want %v", name, k, now.plans.budget(k), want)
		}
	}
	row := func(m *Meter, user uint64, plan, pool string) {
		e := event.Event{Time: 1782396007e9, Credits: credits(1)}
		e.Dims[event.Plan], e.Dims[event.Pool] = plan, pool
		m.Row(user, &e)
	}
	old := NewMeter(map[string]Budget{"a": {FiveHour: credits(9)}, "b": {FiveHour: credits(9), Pools: map[string]event.Credits{"x": credits(9)}}})
	row(old, 1, "a", "")
	row(old, 2, "b", "x")
	row(old, 2, "b", "")
	m := NewMeter(map[string]Budget{"b": {FiveHour: credits(9), Pools: map[string]event.Credits{"w": credits(9), "x": credits(9)}}})
	if err := state.Restore(state.Append(nil, "m", 1, old.Code), "m", 1, m.Code); err != nil {
		t.Fatal(err)
	}
	a := m.users.Get(2)
	if m.users.Len() != 1 || a == nil || a.plan != 0 || a.which != 0 || a.used != 1 {
		t.Errorf("%d accounts, the second is %+v", m.users.Len(), a)
	}
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte{1, 2, 0, 2, 0, 2, 0, 2, 1, 0, 0, 1})
	f.Fuzz(func(_ *testing.T, body []byte) {
		b := state.Append(nil, "t", 1, func(c *state.Coder) { copy(c.Raw(len(body)), body) })
		_ = state.Restore(b, "t", 1, New(Options{}).Code)
		m := NewMeter(map[string]Budget{"a": {FiveHour: 1}})
		if state.Restore(b, "t", 1, m.Code) == nil {
			m.States(1782396007e9)
		}
	})
}
