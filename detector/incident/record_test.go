package incident

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

var update = flag.Bool("update", false, "rewrite the golden files")

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

var identity = Identity{ConfigVersion: "c-5f1e", ProgramVersion: "1.0.0", Runbook: "https://runbooks.example.org/", LinkBase: "http://127.0.0.1:8080/"}

// contractual is the incident of the contract's example.
func contractual() Finding {
	observed, expected := 12.1, 1.0
	return Finding{
		Cause: verdict.Price, Scope: where("region", "eu-west-1", "plan", "pro"), Severity: Page, StartedAt: noon, LastAt: noon + 290e9,
		Users: 3412, Overcharge: sum("41000.25"), Charged: 44700,
		Verdict: verdict.Verdict{
			Ratio: 12.4, HasRatio: true, Confidence: 0.98,
			Factors: []verdict.Factor{
				{Name: "users", Value: 1.01},
				{Name: "requests", Value: 1.02},
				{Name: "rows", Value: 1},
				{Name: "tokens", Value: 0.99},
				{Name: "cache", Value: 1},
				{Name: "mix", Value: 1.0047832},
				{Name: "price", Value: 12.1},
				{Name: "surcharge", Value: 1},
			},
			Evidence: []verdict.Evidence{
				{Code: "price_off_rate_card", Text: "charged 12.1x the rate card on 99.7% of rows", Observed: &observed, Expected: &expected},
				{Code: "not_behaviour", Text: "what users and clients do is x1", Against: true},
			},
		},
	}
}

// The record is public interface: every field's name, place, form and absence is in this file.
func TestRecordGolden(t *testing.T) {
	open := func(f Finding) Incident { return Open(f, noon+24e9) }
	step := func(i Incident, f Finding) Incident {
		i, _ = Step(i, f, noon+293e9)
		return i
	}
	over, merged, young := contractual(), contractual(), contractual()
	over.Over = true
	merged.MergedInto = "inc_0011223344"
	young.Cause, young.Scope, young.Verdict = verdict.Farming, UsersScope([]string{"u1", "u2", "u3"}, "device"), verdict.Verdict{Confidence: 2.0 / 3}
	young.Severity, young.Users, young.Overcharge = Ticket, 3, event.Sum{}
	one := contractual()
	one.Cause, one.Scope, one.Severity, one.Users, one.Overcharge = verdict.UnderPrice, UserScope("u1"), Ticket, 1, sum("-0.000000001")
	everybody := contractual()
	everybody.Scope, everybody.StartedAt = where(), noon+123456789

	var b bytes.Buffer
	for _, c := range []struct {
		name string
		i    Incident
		id   Identity
	}{
		{"first revision, firing", open(contractual()), identity},
		{"resolved", step(open(contractual()), over), identity},
		{"merged", step(open(contractual()), merged), identity},
		{"everybody, started within a second", open(everybody), identity},
		{"one user, undercharged", open(one), identity},
		{"linked users without a past, no runbook or address", open(young), Identity{ConfigVersion: "c-5f1e", ProgramVersion: "1.0.0"}},
	} {
		raw, err := json.Marshal(c.i.Record(c.id))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "# %s\n", c.name)
		if err := json.Indent(&b, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
	}
	golden(t, "testdata/record.golden", b.String())
}

// The contract's example, read with the names that the contract gives, is what the record writes.
func TestRecordHoldsTheContractsFields(t *testing.T) {
	i := Open(contractual(), noon+24e9)
	raw, err := json.Marshal(i.Record(identity))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"v": 1.0, "incident": i.ID, "revision": 1.0, "status": "firing", "class": "metering_bug", "cause": "price", "severity": "page", "confidence": 0.98,
		"scope":      map[string]any{"kind": "cohort", "where": map[string]any{"plan": "pro", "region": "eu-west-1"}},
		"started_at": "2026-06-25T14:00:07Z", "detected_at": "2026-06-25T14:00:31Z", "updated_at": "2026-06-25T14:00:31Z", "ended_at": nil,
		"ratio": 12.4, "users_affected": 3412.0, "overcharge_credits": "41000.250000000", "merged_into": nil,
		"config_version": "c-5f1e", "program_version": "1.0.0", "runbook": "https://runbooks.example.org/metering_bug/price",
		"links": map[string]any{"incident": "http://127.0.0.1:8080/incidents/" + i.ID},
	}
	for k, v := range want {
		if !reflect.DeepEqual(got[k], v) {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
	}
	for _, k := range []string{"factors", "evidence", "title", "summary"} {
		if got[k] == nil {
			t.Errorf("%s is missing", k)
		}
	}
	if len(got) != len(want)+4 {
		t.Errorf("%d fields, want %d", len(got), len(want)+4)
	}
	product := 1.0
	for _, f := range got["factors"].(map[string]any) {
		product *= f.(float64)
	}
	if ratio := got["ratio"].(float64); math.Abs(product/ratio-1) > 0.01 {
		t.Errorf("the factors multiply to %v, the ratio is %v", product, ratio)
	}
	var back Record
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if again, _ := json.Marshal(back); !bytes.Equal(again, raw) {
		t.Errorf("read and written again:\n%s\n%s", raw, again)
	}
}

// All titles and summaries in one file, to be read side by side as somebody would at night.
func TestWordsGolden(t *testing.T) {
	causes := []verdict.Cause{
		verdict.Price, verdict.DuplicateCharge, verdict.CacheDiscount, verdict.TokenCount, verdict.Penalty, verdict.FailuresCharged, verdict.Window,
		verdict.RequestLoop, verdict.BackgroundWork, verdict.ContextBloat, verdict.CacheMiss,
		verdict.StolenKey, verdict.SharedAccount, verdict.ScriptedDrain, verdict.Farming, verdict.Surge, verdict.PowerUser,
		verdict.UnderPrice, verdict.Unexplained,
	}
	var b strings.Builder
	for _, c := range causes {
		f := contractual()
		f.Cause = c
		switch {
		case c == verdict.Window:
			f.Overcharge = event.Sum{}
		case c == verdict.Farming:
			f.Scope, f.Users, f.Overcharge, f.Verdict = UsersScope([]string{"a", "b", "c"}, "device"), 3, event.Sum{}, verdict.Verdict{Confidence: 0.62}
		case c.Class == verdict.Abuse || c == verdict.PowerUser:
			f.Scope, f.Users, f.Overcharge = UserScope("u-17"), 1, event.Sum{}
		case c.Class == verdict.ClientBug:
			f.Scope, f.Verdict.Ratio = where("client", "cli", "client_version", "2.4.0"), 3.1
		case c.Class == verdict.UnderMetering:
			f.Overcharge, f.Verdict.Ratio = sum("-1234567.5"), 0.1
		case c.Class == verdict.Organic:
			f.Scope, f.Overcharge, f.Verdict.Ratio = where(), event.Sum{}, 2.04
		}
		i := Open(f, noon)
		r := i.Record(identity)
		fmt.Fprintf(&b, "%s/%s\n  %s\n  %s\n", c.Class, c.Name, r.Title, r.Summary)
	}
	golden(t, "testdata/words.golden", b.String())
}

func TestNobodyIsEntirelySure(t *testing.T) {
	f := contractual()
	f.Verdict.Confidence = 0.995
	i := Open(f, noon)
	if s := i.Record(identity).Summary; !strings.Contains(s, "(99% sure)") {
		t.Error(s)
	}
}

func TestHostileScopeIsInert(t *testing.T) {
	for _, hostile := range []string{
		"\x1b[2J\x1b[31mall clear", "pro\nfiring: everything", "pro\r\n\tx", "\u202egpj.exe", "a\u200bb", "\x00", "\xff\xfe", "<img src=x onerror=alert(1)>",
		"<!channel> wake up", "=cmd|'/c calc'!A0", "a\" onclick=\"x", "`rm -rf`", "*bold* _x_ ~y~", "раура1", " ", "",
	} {
		for name, scope := range map[string]Scope{
			"cohort": where("client_version", hostile, "plan", hostile), "user": UserScope(hostile), "users": UsersScope([]string{hostile, "u"}, "device"),
		} {
			f := contractual()
			f.Scope = scope
			i := Open(f, noon)
			r := i.Record(identity)
			for _, text := range []string{r.Title, r.Summary} {
				for _, c := range text {
					if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
						t.Errorf("%s %q: %q holds %q", name, hostile, text, c)
					}
				}
			}
			if name == "cohort" && hostile != "" && strings.Contains(r.Title, " "+hostile+" ") {
				t.Errorf("%q stands in a title unquoted: %s", hostile, r.Title)
			}
			// The value itself is data: it comes back from JSON as it was, as far as JSON can hold it.
			raw, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.ContainsAny(raw, "\n\r\x00\x1b<>") {
				t.Errorf("%s %q: the record breaks a line or a page: %s", name, hostile, raw)
			}
			var back Record
			if err := json.Unmarshal(raw, &back); err != nil {
				t.Fatal(err)
			}
			if want := strings.ToValidUTF8(hostile, "\ufffd"); name == "user" && hostile != "\xff\xfe" && back.Scope.User != want {
				t.Errorf("%q comes back as %q", hostile, back.Scope.User)
			}
		}
	}
}

func TestNumbersInWords(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0x", 0.1: "0.1x", 0.104: "0.1x", 1: "1x", 1.25: "1.2x", 1.94: "1.9x", 1.96: "2x", 2.04: "2x", 2.4: "2.4x", 9.7: "9.7x", 9.96: "10x", 12.4: "12x", 1234: "1234x",
	} {
		if got := times(x); got != want {
			t.Errorf("times(%v) is %s, want %s", x, got, want)
		}
	}
	for x, want := range map[float64]string{
		0: "0", 0.5: "0.50", 9.999: "10.00", 10: "10", 12.6: "13", 999: "999", 999.5: "1,000", 1000: "1,000", 41000.25: "41,000", 1234567: "1,234,567",
	} {
		if got := thousands(x); got != want {
			t.Errorf("thousands(%v) is %s, want %s", x, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 users", 1: "1 user", 2: "2 users", 3412: "3,412 users"} {
		if got := plural(n, "user"); got != want {
			t.Errorf("plural(%d) is %s, want %s", n, got, want)
		}
	}
	for x, want := range map[float64]float64{1.23456789123: 1.23456789, 12.1: 12.1, 0: 0, 123456789012: 123456789000, math.Inf(1): math.Inf(1)} {
		if got := round(x, 9); got != want {
			t.Errorf("round(%v) is %v, want %v", x, got, want)
		}
	}
}

// What moved more than it does of itself is said first; the rest is told apart, so that nobody hunts for what is usual.
func TestRecordSplit(t *testing.T) {
	number := func(x float64) string { return fmt.Sprintf("%.3gx", x) }
	ratio := 2.1
	for _, c := range []struct {
		why            string
		ratio          *float64
		factors, usual map[string]float64
		explained      map[string]string
		want           string
	}{
		{"nothing is known of what is usual", &ratio, map[string]float64{"users": 1.6, "price": 1.3, "rows": 1.01}, nil, nil, "2.1x in all: users 1.6x, price 1.3x"},
		{"people come and go", &ratio, map[string]float64{"users": 1.6, "price": 1.3}, map[string]float64{"users": 1.7, "price": 1}, nil, "2.1x in all: price 1.3x; no more than usual: users 1.6x"},
		{"beyond what is usual, the farther first", &ratio, map[string]float64{"users": 4, "price": 1.9}, map[string]float64{"users": 1.5}, nil, "2.1x in all: price 1.9x, users 4x"},
		{"all of it is usual, the strongest first", &ratio, map[string]float64{"users": 1.6, "mix": 1.2}, map[string]float64{"users": 1.7, "mix": 1.15}, nil, "2.1x in all: no more than usual: users 1.6x, mix 1.2x"},
		{
			"another incident of the same rows moves the price", &ratio,
			map[string]float64{"rows": 1.2, "price": 1.75, "users": 1.1},
			map[string]float64{"users": 1.3},
			map[string]string{"price": "inc_1", "surcharge": "inc_2"},
			"2.1x in all: rows 1.2x; of other incidents: price 1.75x (inc_1); no more than usual: users 1.1x",
		},
		{
			"a loss of requests takes turns with it", &ratio,
			map[string]float64{"requests": 0.5, "turns": 0.4},
			nil,
			map[string]string{"turns": "inc_0"},
			"2.1x in all: requests 0.5x; came with it: turns 0.4x",
		},
		{
			"requests that are lost are no chance, though no fewer than they may be", &ratio,
			map[string]float64{"requests": 0.8, "users": 1.5},
			map[string]float64{"requests": 1.3, "users": 1.6},
			map[string]string{"requests": "inc_0"},
			"2.1x in all: requests 0.8x; no more than usual: users 1.5x",
		},
		{"little, and that is news", &ratio, map[string]float64{"price": 1.018, "users": 0.8, "cache": 1.018, "rows": 1.009}, map[string]float64{"users": 1.7, "cache": 1.01}, nil, "2.1x in all: price 1.02x; no more than usual: users 0.8x"},
		{"nothing moved", &ratio, map[string]float64{"users": 1}, nil, nil, ""},
		{"no past to hold it against", nil, nil, nil, nil, ""},
	} {
		if got := (&Record{Incident: "inc_0", Class: "under_metering", Cause: "lost_rows", Ratio: c.ratio, Factors: c.factors, Usual: c.usual, Explained: c.explained}).Split(number); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}
