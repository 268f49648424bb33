package verdict

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/profile"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// scope is the cohort of the stories here, and the rest.
var scope = cohort.NewWhere(cohort.Cond{Dim: event.Plan, Value: "pro"}, cohort.Cond{Dim: event.Region, Value: "eu-west-1"})

// story returns figures of 2,000 rows of 100 users inside the scope and 50,000 outside.
func story(c Cause, now traffic) *Figures {
	f := &Figures{Cause: c, Where: scope, Now: now.period(), Base: normal.period(), Gain: 60, HasCard: true}
	f.Inside = cohort.Cell{Rows: 2000, Requests: 2000, Users: 100, PricedRows: 2000, CachedRows: 1500, Failures: 60, Credits: amount(4000)}
	f.Outside = cohort.Cell{Rows: 50000, Requests: 50000, Users: 2500, PricedRows: 50000, CachedRows: 38000, Failures: 1500}
	return f
}

// off marks rows inside the scope.
func (f *Figures) off(flag cohort.Flag, rows int64, charged, expected float64) *Figures {
	f.Flag = flag
	*f.Inside.OffOf(flag) = cohort.Off{Rows: rows, Users: 90, DayUsers: 90, Charged: amount(charged), Expected: amount(expected)}
	return f
}

// gauged is a scope whose gauges are wrong: at so many rows too fast, too slow, or not reset.
func gauged(fast, slow, kept int64) *Figures {
	f := story(Window, normal).off(cohort.GaugeOff, fast+slow+kept, 400, 400)
	f.Inside.Gauged, f.Outside.Gauged = 250, 6000
	f.Inside.Gauge = &cohort.Gauge{Fast: fast, Slow: slow, Kept: kept, Shown: 80_000 * fast, Due: 10_000*fast + 40_000*slow}
	return f
}

func behaving(c Cause, m cohort.Measure, shift float64, now traffic) *Figures {
	f := story(c, now)
	f.ByMeasure, f.Measure, f.Shift, f.Elsewhere = true, m, shift, 0.01
	f.Where = cohort.NewWhere(cohort.Cond{Dim: event.ClientVersion, Value: "2.4.0"})
	f.Adopted = "client_version=2.4.0"
	return f
}

func changed(change func(*traffic)) traffic {
	x := normal
	change(&x)
	return x
}

// verdicts are one of each cause, in the order that they are read in.
func verdicts() []struct {
	name string
	v    Verdict
} {
	price := story(Price, changed(func(x *traffic) { x.price = 12.1 })).off(cohort.Over, 1994, 24200, 2000)
	price.Loser, price.Planned = "region=eu-west-1 pool=extra", "reset week"
	learned := story(Price, changed(func(x *traffic) { x.price = 12.1 })).off(cohort.Over, 1994, 24200, 2000)
	learned.HasCard, learned.Where = false, nil
	free := story(Price, changed(func(x *traffic) { x.price = 3 })).off(cohort.Over, 40, 12, 0)
	free.Base.Priced, free.Base.List = 0, 0
	duplicate := story(DuplicateCharge, changed(func(x *traffic) { x.rows = 2 })).off(cohort.Duplicate, 2000, 2000, 0)
	duplicate.Inside.Rows = 4000
	fresh := story(Unexplained, normal)
	fresh.Base = Period{}
	dry := story(Price, changed(func(x *traffic) { x.price = 8 })).off(cohort.Over, 2000, 8000, 1000)
	dry.Runs, dry.RunsBase = &Period{Budgeted: 400, Dry: 124}, &Period{Budgeted: 380, Dry: 15.2}
	nan := math.NaN()
	drain := profile.Finding{
		User: "u", Ratio: 20, Observed: 2.5, Expected: 0.125, Past: 900, Evenness: nan, PastEvenness: nan, AwakeHours: 9, Devices: 1, Networks: 1,
	}
	stolen := drain
	stolen.NewDevices, stolen.NewNetworks, stolen.NewKeys, stolen.Devices, stolen.Networks, stolen.Score = 1, 2, 1, 2, 3, 20
	scripted := drain
	scripted.Evenness, scripted.PastEvenness, scripted.AwakeHours = 0.04, 1.3, 24
	shared := drain
	shared.NewDevices, shared.NewNetworks, shared.Devices, shared.Networks, shared.Score = 6, 5, 8, 6, 25
	return []struct {
		name string
		v    Verdict
	}{
		{"metering_bug/price, rate card, with a rival description and a planned event", Judge(price)},
		{"metering_bug/price, learned, everybody", Judge(learned)},
		{"metering_bug/price, on rows that cost nothing, no baseline of price", Judge(free)},
		{"metering_bug/cache_discount_lost", Judge(story(CacheDiscount, changed(func(x *traffic) { x.price = 1.9 })).off(cohort.Over, 1500, 3800, 2000))},
		{"metering_bug/token_count, by price", Judge(story(TokenCount, changed(func(x *traffic) { x.price = 3.2 })).off(cohort.Over, 2000, 6400, 2000))},
		{"metering_bug/token_count, no tokens at all", Judge(story(TokenCount, normal).off(cohort.NoTokens, 120, 60, 0))},
		{"metering_bug/duplicate_charge", Judge(duplicate)},
		{"metering_bug/duplicate_charge, under new requests", Judge(story(DuplicateCharge, changed(func(x *traffic) { x.requests *= 2 })).off(cohort.Copy, 1000, 1000, 0))},
		{"metering_bug/penalty", Judge(story(Penalty, changed(func(x *traffic) { x.surcharge = 1.4 })).off(cohort.Penalised, 300, 1100, 0))},
		{"metering_bug/failures_charged", Judge(story(FailuresCharged, changed(func(x *traffic) { x.price = 1.03 })).off(cohort.FailureCharged, 57, 40, 0))},
		{"metering_bug/window, eight times too fast", Judge(gauged(190, 0, 2))},
		{"metering_bug/price, and windows run dry", Judge(dry)},
		{"metering_bug/window, never reset", Judge(gauged(0, 0, 240))},
		{"metering_bug/window, does not move", Judge(gauged(0, 150, 0))},
		{"client_bug/request_loop", Judge(behaving(RequestLoop, cohort.RequestsPerTurn, math.Log(6), changed(func(x *traffic) { x.requests *= 6 })))},
		{"client_bug/background_work", Judge(behaving(BackgroundWork, cohort.Background, math.Log(8), changed(func(x *traffic) { x.requests *= 3 })))},
		{"client_bug/context_bloat", Judge(behaving(ContextBloat, cohort.InputPerRequest, math.Log(4), changed(func(x *traffic) { x.input *= 4 })))},
		{"client_bug/cache_miss", Judge(behaving(CacheMiss, cohort.Uncached, math.Log(3.5), changed(func(x *traffic) { x.cached = 0.02 })))},
		{"abuse/stolen_key", JudgeDrain(&stolen, StolenKey)},
		{"abuse/shared_account", JudgeDrain(&shared, SharedAccount)},
		{"abuse/scripted_drain", JudgeDrain(&scripted, ScriptedDrain)},
		{"abuse/farming", JudgeFarm(&Ring{Members: make([]Member, 12), Tied: make([]Member, 12), By: "device", Count: 12, Counted: true, Close: true}, &Hearing{})},
		{"organic/surge", Judge(story(Surge, changed(func(x *traffic) { x.users, x.turns = 250, 6 })))},
		{"organic/power_user", JudgeDrain(&drain, PowerUser)},
		{"under_metering/price", Judge(story(UnderPrice, changed(func(x *traffic) { x.price = 0.1 })).off(cohort.Under, 2000, 200, 2000))},
		{"unknown/unknown, without a past", Judge(fresh)},
	}
}

// One golden file, so that the words can be read side by side.
func TestEvidenceGolden(t *testing.T) {
	var b strings.Builder
	for _, x := range verdicts() {
		fmt.Fprintf(&b, "%s: confidence %.3f", x.name, x.v.Confidence)
		if x.v.HasRatio {
			fmt.Fprintf(&b, ", x%.4g", x.v.Ratio)
		}
		b.WriteByte('\n')
		for _, e := range x.v.Evidence {
			side := "+"
			if e.Against {
				side = "-"
			}
			fmt.Fprintf(&b, "  %s %s: %s%s\n", side, e.Code, e.Text, figures(e))
		}
	}
	golden(t, "testdata/evidence.golden", b.String())
}

func figures(e Evidence) string {
	show := func(x *float64) string {
		if x == nil {
			return "none"
		}
		return fmt.Sprintf("%.4g", *x)
	}
	if e.Observed == nil && e.Expected == nil {
		return ""
	}
	return " [" + show(e.Observed) + " for " + show(e.Expected) + "]"
}

func golden(t *testing.T, file, got string) {
	t.Helper()
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
		t.Errorf("%s differs; run with -update and review the diff. Got:\n%s", file, got)
	}
}

// Every verdict says something for itself and, except where there is nothing to hold it against, something against.
func TestVerdictsCarryCounterEvidence(t *testing.T) {
	for _, x := range verdicts() {
		against := 0
		for _, e := range x.v.Evidence {
			if e.Against {
				against++
			}
		}
		if x.v.HasRatio && (against == 0 || against == len(x.v.Evidence)) {
			t.Errorf("%s: %d of %d lines speak against it", x.name, against, len(x.v.Evidence))
		}
	}
}

// Whatever the sums are, the record can be written, and no line of evidence can speak to a terminal.
func TestEvidenceIsAlwaysPrintable(t *testing.T) {
	hostile := rapid.SampledFrom([]string{"", "pro", "\x1b[2J\x1b[31mFAKE", "a\nfiring: everything", "\u202egpj.exe", "\x00", "\xff\xfe", "<img src=x onerror=alert(1)>", "zero\u200bwidth", "größe"})
	number := func(t *rapid.T, name string) float64 {
		return rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 1e12)).Draw(t, name)
	}
	causes := everyCause()
	rapid.Check(t, func(t *rapid.T) {
		f := &Figures{Cause: rapid.SampledFrom(causes).Draw(t, "cause"), Now: periods().Draw(t, "now"), Base: periods().Draw(t, "base")}
		f.Where = cohort.NewWhere(cohort.Cond{Dim: event.ClientVersion, Value: hostile.Draw(t, "where")})
		f.Loser, f.Adopted, f.Planned = hostile.Draw(t, "loser"), hostile.Draw(t, "adopted"), hostile.Draw(t, "planned")
		f.Flag = cohort.Flag(rapid.IntRange(0, int(cohort.NumFlags)-1).Draw(t, "flag"))
		f.ByMeasure = rapid.Bool().Draw(t, "by measure")
		f.Measure = cohort.Measure(rapid.IntRange(0, int(cohort.NumMoments)-1).Draw(t, "measure"))
		f.Shift, f.Elsewhere, f.Gain = rapid.Float64Range(-2*cohort.Clip, 2*cohort.Clip).Draw(t, "shift"), rapid.Float64Range(-cohort.Clip, cohort.Clip).Draw(t, "elsewhere"), rapid.Float64Range(-100, 1e6).Draw(t, "gain")
		for _, c := range []*cohort.Cell{&f.Inside, &f.Outside} {
			c.Rows, c.Requests, c.PricedRows = rapid.Int64Range(0, 1e9).Draw(t, "rows"), rapid.Int64Range(0, 1e9).Draw(t, "requests"), rapid.Int64Range(0, 1e9).Draw(t, "priced")
			o := c.OffOf(f.Flag)
			o.Rows = rapid.Int64Range(0, 1e9).Draw(t, "off")
			o.Charged, o.Expected = amount(number(t, "charged")/1e6), amount(number(t, "expected")/1e6)
			c.Credits = amount(number(t, "credits") / 1e6)
		}
		v := Judge(f)
		if _, err := json.Marshal(v.Evidence); err != nil {
			t.Fatal(err)
		}
		if !(v.Confidence >= 0.5 && v.Confidence <= 0.995) {
			t.Fatalf("confidence %v", v.Confidence)
		}
		for _, e := range v.Evidence {
			for _, r := range e.Text {
				if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
					t.Fatalf("%s: %q holds %q", e.Code, e.Text, r)
				}
			}
			if strings.Contains(e.Text, "NaN") || strings.Contains(e.Text, "Inf") {
				t.Fatalf("%s: %q", e.Code, e.Text)
			}
		}
	})
}

func TestInertKeepsWhatPrints(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "",
		"plan=pro größe 漢字": "plan=pro größe 漢字",
		"a\x1b[31mb":        `a\x1b[31mb`,
		"a\nb\tc\r":         `a\nb\tc\r`,
		"x\u202ey":          `x\u202ey`,
		"\xff":              `\ufffd`,
		`say "hi" 'there'`:  `say "hi" 'there'`,
	} {
		if got := Inert(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestConfidenceGrowsWithEvidence(t *testing.T) {
	last := 0.0
	for _, gain := range []float64{-1e9, -8, -4, 0, 4, 10, 40, 1e3, 1e9} {
		c := confidence(&Figures{Cause: Price, Gain: gain})
		if c < last || c < 0.5 || c > 0.995 {
			t.Errorf("%v nats give %v after %v", gain, c, last)
		}
		if b := confidence(&Figures{Cause: RequestLoop, Gain: gain}); b > c {
			t.Errorf("%v nats for a client's fault give %v, for a meter's %v", gain, b, c)
		}
		last = c
	}
}

func TestPercent(t *testing.T) {
	for x, want := range map[float64]string{0: "0%", 0.00001234: "0.0012%", 0.005: "0.5%", 0.01: "1.0%", 0.997: "99.7%", 0.9996: "100%", 1: "100%"} {
		if got := percent(x); got != want {
			t.Errorf("%v is %s, want %s", x, got, want)
		}
	}
}
