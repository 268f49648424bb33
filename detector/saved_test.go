package detector

import (
	"fmt"
	"testing"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/state/statetest"
)

func TestStateKeepsEveryField(t *testing.T) {
	o := Options{Answers: true}
	o.withDefaults()
	statetest.KeptOf(t, func() *shard {
		s, err := newShard(0, &o, 1, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, func(c *state.Coder, s *shard) { s.code(c) },
		"shard.watched", "shard.decoder", "shard.dead", "shard.say", "shard.keptAs", // the configuration's
		"shard.running",                               // follows from runs
		"shard.heard", "shard.paused", "shard.shared", // the log's, and the process's
		"clock.lateness", "classifier.learn", "Tracker.wait", "plans.fixed", "budget.fiveHour", "budget.weekly", "budget.balances", "Meter.index",
		"Book.byModel", "Book.any", "Book.changes", "Book.frozen", "Threads.wait",
		"classifier.rows", "classifier.requests", "classifier.copies", // package dedupe's test goes beyond this
		"Table.leafNumber", "trait.index", "Table.changes", "Table.marked", "User.mark", "Meter.then", "Table.room", "Table.most", "Table.spare", "Table.spareFlags", "Table.closing", "Table.record", "Table.scratch", "Table.Moments", "Table.Say", "Table.Limits", "Table.SuspectRows", "Table.weighed",
		"tick.cells")
	statetest.KeptOf(t, func() *fleet { return newFleet(&o, []int32{0}, nil) }, func(c *state.Coder, f *fleet) { f.code(c) },
		"fleet.o", "fleet.rules", "fleet.say", "fleet.card", // the configuration's
		"fleet.drawn", // put together from the store
		"ties.near",   // holds while accounts are weighed
		"Store.byLeaf", "Store.byValues", "Store.byName", "roller.number", "roller.same", "roller.changed", "openSlab.shared", "openSlab.index")
}

// Whatever is read, the answer is a state or an error. What is sound but makes no sense is not looked for: a checksum and a layout
// stand before it.
func FuzzRestore(f *testing.F) {
	o := Options{Answers: true}
	o.withDefaults()
	made := func(t testing.TB) (*shard, *fleet) {
		s, err := newShard(0, &o, 1, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s, newFleet(&o, []int32{0}, nil)
	}
	s, fleet := made(f)
	s.say = fleet.take
	d, err := event.NewDecoder("native")
	if err != nil {
		f.Fatal(err)
	}
	for i := range 12 {
		var e event.Event
		r := Record{Offset: int64(i), Value: fmt.Sprintf(`{"id":"%d","time":%d,"user":"u%d","credits":1,"input_tokens":900,"output_tokens":50,"model":"m","session":"s","device":"d"}`, i, 1782396007000+i*400000, i%2)}
		s.fold(r, &e, d.Decode(r.Value, &e))
	}
	body := func(b []byte) []byte { return b[len("dwst")+7 : len(b)-8] } // the longer kind's header and the checksum
	f.Add(true, body(s.AppendBinary(nil)))
	f.Add(false, body(fleet.AppendBinary(nil)))
	f.Fuzz(func(t *testing.T, ofShard bool, body []byte) {
		s, fleet := made(t)
		put := func(c *state.Coder) { copy(c.Raw(len(body)), body) }
		if !ofShard {
			if b := state.Append(nil, "fleet", fleetLayout, put); fleet.restore(b) == nil && len(fleet.AppendBinary(nil)) == 0 {
				t.Error("nothing is left")
			}
			return
		}
		if b := state.Append(nil, "shard", shardLayout, put); state.Restore(b, "shard", shardLayout, s.code) == nil {
			if s.AppendBinary(nil); s.users.Len() > len(body) {
				t.Errorf("%d users in %d bytes", s.users.Len(), len(body))
			}
			s.user("u1")
		}
	})
}
