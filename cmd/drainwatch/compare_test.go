package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

func amountOf(t *testing.T, text string) event.Sum {
	t.Helper()
	s, err := event.ParseSum(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The table at the end of a demonstration, with every kind of line.
func TestComparisonTable(t *testing.T) {
	start := time.Date(2026, 6, 25, 14, 0, 0, 0, time.UTC)
	lab := func(id, class, cause string, scope incident.Scope, owed string) backtest.Label {
		return backtest.Label{ID: id, Class: class, Cause: cause, Scope: scope, StartedAt: start, EndedAt: start.Add(time.Hour), Overcharge: amountOf(t, owed), HasLedger: owed != "0"}
	}
	rec := func(id, class, cause string, scope incident.Scope, sev incident.Severity, over string) incident.Record {
		return incident.Record{Incident: id, Class: class, Cause: cause, Scope: scope, Severity: sev, StartedAt: start, DetectedAt: start.Add(20 * time.Second), Overcharge: amountOf(t, over)}
	}
	pro := incident.Scope{Kind: "cohort", Where: map[string]string{"plan": "pro", "region": "eu-west-1"}}
	us := incident.Scope{Kind: "cohort", Where: map[string]string{"region": "us-east-1"}}
	all := incident.Scope{Kind: "cohort", Where: map[string]string{}}
	ring := incident.Scope{Kind: "users", Users: []string{"a", "b", "c"}, LinkedBy: "device"}
	user := incident.Scope{Kind: "user", User: "u\x1b[31m"}
	loop := lab("loop", "client_bug", "request_loop", all, "50")
	loop.Estimate = true
	surge := lab("surge", "organic", "surge", all, "0")
	surge.Silent = true
	score := backtest.Compare(
		[]backtest.Label{lab("price", "metering_bug", "price", pro, "41000.25"), lab("twice", "metering_bug", "duplicate_charge", us, "200"), lab("ring", "abuse", "farming", ring, "0"), loop, surge, lab("key", "abuse", "stolen_key", user, "0")},
		[]incident.Record{
			rec("inc_1", "metering_bug", "price", pro, incident.Page, "41000.25"),
			rec("inc_2", "metering_bug", "penalty", us, incident.Page, "203"),
			rec("inc_3", "client_bug", "request_loop", all, incident.Page, "61.5"),
			rec("inc_4", "abuse", "scripted_drain", user, incident.Ticket, "0"),
			rec("inc_5", "unknown", "unknown", incident.Scope{Kind: "user", User: "z"}, incident.Ticket, "0"),
			rec("inc_6", "organic", "power_user", incident.Scope{Kind: "user", User: "y"}, incident.Info, "0"),
		})
	var b bytes.Buffer
	if err := writeComparison(&b, score, 0); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\non a narrow screen\n")
	if err := writeComparison(&b, score, 80); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n" + strings.Join(disagreements(score), "\n") + "\n")
	golden(t, "comparison.golden", b.String())
}
