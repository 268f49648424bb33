package detector_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
)

type ignored struct{}

func (ignored) Alert(context.Context, incident.Record) error          { return nil }
func (ignored) DeadLetter(context.Context, detector.DeadLetter) error { return nil }

// What cannot be used is counted while the engine runs.
func TestHealth(t *testing.T) {
	eng := start(t, detector.Options{}, ignored{}, 0, 1)
	defer eng.Close()
	at := time.Date(2026, 6, 18, 12, 0, 0, 0, time.UTC)
	var lines []detector.Record
	add := func(id string, after time.Duration) {
		lines = append(lines, detector.Record{Offset: int64(len(lines)), Value: fmt.Sprintf(`{"id":%q,"user":"u","time":%q,"credits":1}`, id, at.Add(after).Format(time.RFC3339))})
	}
	for i := range 100 {
		add(fmt.Sprint(i), time.Duration(i)*time.Second)
	}
	add("late", -time.Hour)
	add("ahead", 24*time.Hour)
	lines = append(lines, detector.Record{Offset: int64(len(lines)), Value: "{"})
	if err := eng.Feed(t.Context(), 0, lines); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		h, err := eng.Health(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if h.Rows < int64(len(lines)) {
			time.Sleep(time.Millisecond)
			continue
		}
		if want := (detector.Health{Rows: 103, DeadLetters: 1, Late: 1, Held: 1, Head: at.Add(99 * time.Second)}); h != want {
			t.Errorf("%+v, want %+v", h, want)
		}
		return
	}
}
