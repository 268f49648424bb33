package main

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

var update = flag.Bool("update", false, "write the golden files anew; review them like code")

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got\n%s\nwant\n%s", file, got, want)
	}
}

// priceAlert is the example of the contract.
func priceAlert() incident.Record {
	started := time.Date(2026, 6, 25, 14, 0, 7, 0, time.UTC)
	over, err := event.ParseSum("41000.25")
	if err != nil {
		panic(err)
	}
	return incident.Record{
		V: 1, Incident: "inc_9f2c41d07a", Revision: 3, Status: incident.Firing,
		Class: "metering_bug", Cause: "price", Severity: incident.Page, Confidence: 0.98,
		Scope:     incident.Scope{Kind: "cohort", Where: map[string]string{"plan": "pro", "region": "eu-west-1"}},
		StartedAt: started, DetectedAt: started.Add(24 * time.Second), UpdatedAt: started.Add(5 * time.Minute),
		Ratio: new(12.4), Factors: map[string]float64{"users": 1.01, "requests": 1.03, "rows": 1, "tokens": 0.99, "price": 12.1, "surcharge": 1},
		UsersAffected: 3412, Overcharge: over,
		Evidence: []incident.Evidence{
			{Code: "price_off_rate_card", Text: "charged 12.1x the rate card on 99.7% of rows", Observed: new(12.1), Expected: new(1.0)},
			{Code: "siblings_clean", Text: "pro outside eu-west-1 is charged as before: 0.2% of 48,211 rows are off the rate card, and free in eu-west-1 is, too", Against: false},
			{Code: "enforcement_flags", Text: "312 of the users carry an enforcement flag; the others are charged alike", Against: true},
		},
		Title: "Metering bug: pro in eu-west-1 charged 12x since 14:00Z",
		Links: map[string]string{"incident": "http://127.0.0.1:8080/incidents/inc_9f2c41d07a"},
	}
}

func TestHeadline(t *testing.T) {
	const want = "METERING BUG  pro in eu-west-1 charged 12x since 14:00Z: 3,412 users, 41,000 credits, price off the rate card (98% sure)"
	if got := headline(priceAlert()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAlertBlock(t *testing.T) {
	firing := priceAlert()
	resolved := priceAlert()
	resolved.Status, resolved.EndedAt, resolved.Severity = incident.Resolved, new(resolved.StartedAt.Add(9*time.Hour)), incident.Ticket
	under := priceAlert()
	under.Class, under.Title, under.Evidence, under.Links, under.Factors, under.Ratio = "under_metering", "Under-metering: free on m-4.2 charged 0.4x since 14:00Z", nil, nil, map[string]float64{"price": 0.4, "mix": 1.1}, new(0.44)
	under.Overcharge = under.Overcharge.Neg()
	young := incident.Record{Incident: "inc_1", Status: incident.Resolved, Class: "abuse", Cause: "farming", Severity: incident.Ticket, Confidence: 0.7, UsersAffected: 1, Title: "Abuse: one account", MergedInto: new("inc_0")}
	var b bytes.Buffer
	for _, r := range []incident.Record{firing, resolved, under, young} {
		alertBlock(&b, r, 100, false)
		b.WriteString("\n")
	}
	b.WriteString("not wrapped\n")
	alertBlock(&b, firing, 0, false)
	b.WriteString("\nin 60 columns and colour\n")
	alertBlock(&b, firing, 60, true)
	golden(t, "alert.golden", b.String())
}

// Text from outside cannot colour, move or forge anything on the terminal.
func TestAlertNeutralisesText(t *testing.T) {
	const hostile = "u\x1b[2J\x1b]0;owned\x07\r\nMETERING BUG  all is well\u202Egnp.exe\u200b\u2066\x00\xff\u0085\u2028\U000e0041x"
	r := priceAlert()
	r.Title, r.Evidence[0].Text, r.Links["incident"], r.Incident = "Abuse: "+hostile, hostile, hostile, hostile
	r.Class, r.Cause, r.MergedInto = hostile, hostile, new(hostile)
	var b bytes.Buffer
	alertBlock(&b, r, 100, false)
	for i, line := range strings.Split(b.String(), "\n") {
		if i > 0 && strings.HasPrefix(line, "METERING BUG") {
			t.Errorf("forged line %q", line)
		}
		for _, c := range line {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("%U in %q", c, line)
			}
		}
	}
	if !strings.Contains(b.String(), `u\x1b[2J\x1b]0;owned\x07\x0d\x0aMETERING`) || !strings.Contains(b.String(), `\u202egnp.exe\u200b\u2066\x00\xff\x85\u2028\U000e0041x`) {
		t.Errorf("the text is not shown as escapes:\n%s", b.String())
	}
}

func FuzzNeutral(f *testing.F) {
	f.Add("naïve \u00e9 \u4e2d\u6587 \x1b[0m\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := neutral(s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q", got)
		}
		for _, r := range got {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == utf8.RuneError && !strings.ContainsRune(s, utf8.RuneError) {
				t.Fatalf("%q keeps %U of %q", got, r, s)
			}
		}
		if again := neutral(got); again != got {
			t.Fatalf("%q is changed again, to %q", got, again)
		}
	})
}

func TestFigures(t *testing.T) {
	for f, want := range map[float64]string{12.43: "12.4", 1: "1", 0.0213: "0.0213", 3412.4: "3,412", 100: "100", 99.96: "100", -1234567: "-1,234,567", 1e18: "1e+18", math.Inf(1): "+Inf"} {
		if got := figure(f); got != want {
			t.Errorf("figure(%v) = %s, want %s", f, got, want)
		}
	}
	for text, want := range map[string]string{"0.004": "0.00", "-3.5": "-3.50", "99.994": "99.99", "100.9": "100", "123456789012345678901.5": "123,456,789,012,345,678,901", "-1000": "-1,000"} {
		s, err := event.ParseSum(text)
		if got := credits(s); err != nil || got != want {
			t.Errorf("credits(%s) = %s, want %s; %v", text, got, want, err)
		}
	}
	for d, want := range map[time.Duration]string{-time.Second: "0s", 24 * time.Second: "24s", 90 * time.Second: "1m30s", 26 * time.Hour: "26h0m", 50 * time.Hour: "2d2h"} {
		if got := elapsed(d); got != want {
			t.Errorf("elapsed(%v) = %s, want %s", d, got, want)
		}
	}
}
