package detector

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
)

// A charge made twice is of one turn; who sends the same prompt again begins another.
func TestCopiesAreOfOneTurn(t *testing.T) {
	o := newOptions()
	c := newClassifier(o, price.NewBook(nil, nil), true, 1)
	at := int64(20_000) * 24 * cohort.Hour
	for _, x := range []struct {
		why, id, turn string
		want          bool
	}{
		{"the first", "1", "t1", false},
		{"the same turn under another request", "2", "t1", true},
		{"the same prompt in a turn of its own", "3", "t2", false},
		{"a row that names no turn", "4", "", false},
		{"and another", "5", "", true},
	} {
		e := event.Event{User: "u", ID: x.id, RequestID: x.id, TurnID: x.turn, Time: at, Credits: event.Credit, Input: 4200, Output: 513, HasTokens: true}
		if got := c.judge(&e).flags.Has(cohort.Copy); got != x.want {
			t.Errorf("%s: a copy %v, want %v", x.why, got, x.want)
		}
	}
}
