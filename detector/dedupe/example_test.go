package dedupe_test

import (
	"fmt"
	"time"

	"github.com/drainwatch/drainwatch/detector/dedupe"
	"github.com/drainwatch/drainwatch/detector/event"
)

func ExampleSet() {
	s := dedupe.New(dedupe.Options{Window: 24 * time.Hour, MaxBytes: 64 << 20})
	row := event.Event{ID: "c1", User: "u1", RequestID: "c1", Time: 1782396007_000_000_000, Credits: event.Credit}
	other := row
	other.Credits *= 12
	later := row
	for _, e := range []event.Event{row, row, other} {
		s.Advance(e.Time)
		fmt.Println(s.Add(e.User, e.ID, dedupe.Content(&e)))
	}
	s.Advance(later.Time + int64(25*time.Hour))
	fmt.Println(s.Add(later.User, later.ID, dedupe.Content(&later)), s.Stats().Entries, s.Overflowed())
	// Output:
	// first
	// duplicate
	// conflict
	// first 1 0
}
