package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
)

func testSnapshot() *detector.Snapshot {
	return &detector.Snapshot{
		At: time.Date(2026, 6, 25, 14, 2, 0, 0, time.UTC), Rows: 1_234_567, Users: 9_477, Open: []incident.Record{priceAlert()},
		Cohorts: []detector.CohortRate{
			{Users: 5210, PerHour: 44_100, Expected: 6_000, Ratio: 7.35},
			{Where: map[string]string{"plan": "free"}, Users: 1100, PerHour: 95, Expected: 101.5, Ratio: 0.936},
			{Where: map[string]string{"plan": "pro", "region": "eu-west-1"}, Users: 3412, PerHour: 41_000, Expected: 3_416, Ratio: 12.002},
			{Where: map[string]string{"plan": "pro\x1b[2J", "region": "us"}, Users: 25, PerHour: 3},
			{Where: map[string]string{"plan": "team", "region": "us"}, Users: 2, PerHour: 3, Expected: 0.1, Ratio: 30},
			{Where: map[string]string{"region": "nobody"}},
		},
	}
}

func TestViewFrame(t *testing.T) {
	v := &view{terminal: true, title: "drainwatch demo", state: "playing"}
	v.latest.add(priceAlert())
	quiet := priceAlert()
	quiet.Incident, quiet.Severity = "inc_info", incident.Info // recorded only: not worth the screen
	v.latest.add(quiet)
	frame := v.frame(testSnapshot(), 110, 60)
	for _, line := range frame {
		if n := utf8.RuneCountInString(ansiColor.ReplaceAllString(line, "")); n > 110 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	golden(t, "view.golden", ansiColor.ReplaceAllString(strings.Join(frame, "\n")+"\n", ""))
	if first := v.frame(nil, 80, 24); len(first) != 4 || !strings.Contains(first[3], "waiting") {
		t.Errorf("before the first rows: %q", first)
	}
}

// On a small screen every incident keeps its headline, and the loudest says what fits.
func TestViewFrameWithoutRoom(t *testing.T) {
	v := &view{terminal: true, title: "t", state: "s"}
	for i, severity := range []incident.Severity{incident.Ticket, incident.Page, incident.Ticket} {
		r := priceAlert()
		r.Incident, r.Severity = fmt.Sprint("inc_", i), severity
		v.latest.add(r)
	}
	for _, height := range []int{5, 15, 24, 40, 100} {
		frame := v.frame(testSnapshot(), 100, height)
		text := ansiColor.ReplaceAllString(strings.Join(frame, "\n"), "")
		headlines, details := strings.Count(text, "METERING BUG"), strings.Count(text, "  state  ")
		if height >= 15 && (headlines != 3 || len(frame) > height) || height >= 24 && details == 0 || height == 100 && details != 3 {
			t.Errorf("%d lines on a screen of %d, with %d headlines and %d in full:\n%s", len(frame), height, headlines, details, text)
		}
		if first := strings.Index(text, "  state  "); details == 1 && !strings.Contains(text[first:], ", page, inc_1") {
			t.Errorf("not the loudest has the room:\n%s", text)
		}
	}
}

// Drawing again goes back up over exactly what was drawn, and plain text stays plain.
func TestViewRedraws(t *testing.T) {
	var b bytes.Buffer
	v := &view{w: &b, terminal: true, title: "t"}
	v.draw(nil)
	first := strings.Count(b.String(), "\n")
	b.Reset()
	v.draw(nil)
	if first == 0 || !strings.HasPrefix(b.String(), "\x1b[4F") || first != 4 {
		t.Errorf("drew %d lines, then %q", first, b.String())
	}
	if ansiColor.MatchString(b.String()) {
		t.Errorf("colours without being asked for: %q", b.String())
	}
}

// Elsewhere than on a terminal an alert is printed when it is news: once in full, in a line when it changes, in full when it is over.
func TestViewPlain(t *testing.T) {
	var b bytes.Buffer
	v := &view{w: &b}
	r := priceAlert()
	v.alert(r)
	full := b.Len()
	r.Revision++
	v.alert(r) // says the same
	if b.Len() != full {
		t.Errorf("repeats itself: %s", b.String()[full:])
	}
	r.UsersAffected = 5000
	v.alert(r)
	if got := b.String()[full:]; got != "inc_9f2c41d07a revision 4: METERING BUG  pro in eu-west-1 charged 12x since 14:00Z: 5,000 users, 41,000 credits, price off the rate card (98% sure)\n" {
		t.Errorf("%s", got)
	}
	b.Reset()
	r.Status = incident.Resolved
	v.alert(r)
	if !strings.Contains(b.String(), "state   resolved") || len(v.records()) != 1 {
		t.Errorf("%s", b.String())
	}
	b.Reset()
	v.draw(testSnapshot())
	if b.String() != "event time 2026-06-25 14:02:00Z  1,234,567 rows, 9,477 users, 1 incident firing; pro in eu-west-1 drains 12x of what is expected\n" {
		t.Errorf("%s", b.String())
	}
}
