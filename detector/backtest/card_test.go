package backtest

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }

func byClass(l *Label) string { return l.Class }

func TestCard(t *testing.T) {
	var c Card
	if got := c.Total(); got.Recall.Value() != 1 || got.Labels != 0 || got.Recall.Low != 0 || got.Recall.High != 1 || len(c.By(byClass)) != 0 || c.False(incident.Page) != (Rate{}) {
		t.Errorf("empty card: %+v", got)
	}
	pro := cohort("plan", "pro")
	ticket, info := record("t", "unknown", "unknown", cohort("plan", "free"), 500, 600), record("i", "organic", "surge", pro, 500, 600)
	ticket.Severity, info.Severity = incident.Ticket, incident.Info
	slow := record("r", "metering_bug", "penalty", pro, 9, 60)
	slow.Overcharge, slow.Severity = sum(90), incident.Ticket
	evident := label("a", "metering_bug", "price", pro, 0, 60)
	evident.EvidentAt, evident.Severity = at(3), incident.Page
	hushed := label("b", "metering_bug", "price", pro, 0, 60)
	hushed.Severity = incident.Page
	alone := label("c", "abuse", "stolen_key", user("u"), 0, 60)
	alone.Hits = []time.Time{at(0), at(20)}
	c.Add(Run{Scenario: "one", Score: Compare([]Label{evident}, []incident.Record{record("r", "metering_bug", "price", pro, 0, 60), ticket, info}), UserWeeks: 1500})
	c.Add(Run{Scenario: "two", Score: Compare([]Label{hushed, alone}, []incident.Record{slow}), UserWeeks: 500})
	got := c.Total()
	if got.Labels != 3 || got.Found != 2 || got.Recall.Hits != 2 || got.Cause.Hits != 1 || got.Scope.Hits != 2 || got.Severity.Hits != 1 || got.Recall.Of != 3 {
		t.Errorf("%+v", got)
	}
	if got.Delay != (Spread{2, 60, 600, 600, 600}) || got.Evident != (Spread{1, -120, -120, -120, -120}) || got.Rows != (Spread{}) || got.OnsetMaxSec != 540 || !near(got.LedgerMax, 0.1) {
		t.Errorf("%+v", got)
	}
	if by := c.By(byClass); len(by) != 2 || by["abuse"].Labels != 1 || by["abuse"].Found != 0 || by["abuse"].Recall.Value() != 0 || by["metering_bug"].Cause.Hits != 1 {
		t.Errorf("%+v", by)
	}
	// Published: Newcombe 1998 has Wilson's interval of 15 of 148, Garwood 1936 that of one event.
	if s := newShare(15, 148); math.Abs(s.Low-0.0624) > 5e-5 || math.Abs(s.High-0.1605) > 5e-5 {
		t.Errorf("15 of 148: %+v", s)
	}
	rate := c.False(incident.Ticket)
	if c.UserWeeks() != 2000 || rate.Count != 1 || !near(rate.PerMillion, 500) || math.Abs(rate.Low-0.0253*500) > 0.05 || math.Abs(rate.High-5.572*500) > 0.5 {
		t.Errorf("a false ticket in %v user-weeks: %+v", c.UserWeeks(), rate)
	}
	if pages := c.False(incident.Page); pages.PerMillion != 0 || math.Abs(pages.High-3.689*500) > 0.5 {
		t.Errorf("no false page: %+v", pages)
	}
	if d := c.Delays(byClass); len(d) != 1 || d["metering_bug"].Due != 1 || !slices.Equal(d["metering_bug"].Seconds, []float64{-120}) {
		t.Errorf("delays %+v: one label became evident", d)
	}
	if names := c.Scenarios(); !slices.Equal(names, []string{"one", "two"}) {
		t.Errorf("scenarios %v", names)
	}
	if two := c.Of(func(name string) bool { return name == "two" }); two.Total().Labels != 2 || two.UserWeeks() != 500 || two.False(incident.Ticket).Count != 0 {
		t.Errorf("the card of one scenario: %+v", two.Total())
	}
}

func TestCardRowsUntilFound(t *testing.T) {
	l, r := label("c", "abuse", "stolen_key", user("u"), 0, 60), record("r", "abuse", "stolen_key", user("u"), 0, 60)
	l.Hits, r.DetectedAt = []time.Time{at(0), at(1), at(20), at(40)}, at(30)
	var c Card
	c.Add(Run{Score: Compare([]Label{l}, []incident.Record{r})})
	if got := c.Total(); got.Rows != (Spread{1, 3, 3, 3, 3}) || got.Buckets != (Spread{1, 2, 2, 2, 2}) {
		t.Errorf("%+v", got)
	}
}

func TestSpread(t *testing.T) {
	var x []float64
	for i := range 100 {
		x = append(x, float64(100-i))
	}
	if got := newSpread(x); got != (Spread{100, 50, 90, 95, 100}) {
		t.Errorf("1 to 100: %+v", got)
	}
	if got := newSpread([]float64{7}); got != (Spread{1, 7, 7, 7, 7}) {
		t.Errorf("one value: %+v", got)
	}
	if got := newSpread(nil); got != (Spread{}) {
		t.Errorf("none: %+v", got)
	}
}

// What is said with a confidence is held against what is true of it.
func TestCalibration(t *testing.T) {
	pro := cohort("plan", "pro")
	said := func(id, class string, confidence float64, severity incident.Severity) incident.Record {
		r := record(id, class, "price", pro, 0, 60)
		r.Confidence, r.Severity = confidence, severity
		return r
	}
	var c Card
	add := func(labels []Label, records ...incident.Record) {
		c.Add(Run{Score: Compare(labels, records)})
	}
	if got, err := c.Calibration(); err != nil || !reflect.DeepEqual(got, Calibration{Bins: []CalibrationBin{}}) {
		t.Errorf("empty card: %+v, %v", got, err)
	}
	for range 3 {
		add([]Label{label("l", "metering_bug", "price", pro, 0, 60)}, said("r", "metering_bug", 0.96, incident.Page))
	}
	add([]Label{label("l", "metering_bug", "price", pro, 0, 60)}, said("r", "under_metering", 0.92, incident.Page)) // another class
	add(nil, said("false", "metering_bug", 0.5, incident.Ticket), said("noted", "organic", 0.5, incident.Info))     // nothing there
	got, err := c.Calibration()
	if err != nil || got.Records != 5 || len(got.Bins) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	low, high := got.Bins[0], got.Bins[1]
	if low.Right.Hits != 0 || low.Right.Of != 1 || low.Confidence != 0.5 || low.High != 0.5 || high.Right.Hits != 3 || high.Right.Of != 4 || !near(high.Confidence, 0.95) {
		t.Errorf("%+v", got.Bins)
	}
	if want := (0.5 + 4*(0.95-0.75)) / 5; !near(got.Error, want) {
		t.Errorf("error %v, want %v", got.Error, want)
	}
	add(nil, said("bad", "metering_bug", math.NaN(), incident.Page))
	if _, err := c.Calibration(); err == nil {
		t.Error("a confidence that is no number went through")
	}
}
