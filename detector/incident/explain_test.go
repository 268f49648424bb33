package incident

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/verdict"
)

// life returns the records of an incident that was said four times.
func life(t testing.TB) []Record {
	t.Helper()
	i := Open(contractual(), noon+24e9)
	records := []Record{i.Record(identity)}
	say := func(change func(*Finding), at int64) {
		f := i.Finding
		change(&f)
		var why []Reason
		if i, why = Step(i, f, at); len(why) == 0 {
			t.Fatal("nothing new was said")
		}
		records = append(records, i.Record(identity))
	}
	say(func(f *Finding) { f.Scope = where("region", "eu-west-1") }, noon+60e9)
	say(func(f *Finding) { f.Cause, f.Users, f.Overcharge = verdict.TokenCount, 7000, sum("90000") }, noon+120e9)
	say(func(f *Finding) { f.Over = true }, noon+900e9)
	return records
}

func TestExplainTellsEachRevisionsChange(t *testing.T) {
	records := life(t)
	x := Explain(records)
	want := []string{
		"opened, page, metering_bug price, plan=pro region=eu-west-1, 3,412 users, 41,000 credits",
		"scope plan=pro region=eu-west-1 -> region=eu-west-1",
		"verdict metering_bug price -> metering_bug token_count, users 3,412 -> 7,000, credits 41,000 -> 90,000",
		"resolved",
	}
	for i, c := range x.Timeline {
		if got := strings.Join(c.What, ", "); got != want[i] || c.Revision != i+1 {
			t.Errorf("revision %d: %s, want %s", c.Revision, got, want[i])
		}
	}
	if len(x.Timeline) != len(want) || x.Missing != 0 || x.Alert.Revision != 4 || x.Next != verdict.TokenCount.Next {
		t.Errorf("%d steps, %d missing, revision %d, next %q", len(x.Timeline), x.Missing, x.Alert.Revision, x.Next)
	}
	gaps := Explain(records[2:])
	if gaps.Missing != 2 || gaps.Timeline[0].What[0] != "first known revision" {
		t.Errorf("without the first two: %d missing, %v", gaps.Missing, gaps.Timeline[0])
	}
}

// The interval of the onset is said in words that hold both of its ends, and nothing is said where there is none.
func TestOnsetInWords(t *testing.T) {
	f := contractual()
	if x := ExplainOne(recordOf(f)); x.Began != "" || x.Alert.Onset != nil {
		t.Errorf("without an interval: %q", x.Began)
	}
	for _, c := range []struct {
		from, to int64 // from 14:00:07, the first affected row, in milliseconds
		want     string
	}{
		{-2500, 0, "between 2026-06-25 14:00:04Z and 14:00:07Z (95% sure)"},
		{-2500, -1001, "between 2026-06-25 14:00:04Z and 14:00:07Z (95% sure)"}, // the first affected row is no later
		{-400, 300, "between 2026-06-25 14:00:06Z and 14:00:08Z (95% sure)"},
		{0, 999, "at 2026-06-25 14:00:07Z, to the second (95% sure)"},
		{-24 * 3600_000, 1500, "between 2026-06-24 14:00:07Z and 2026-06-25 14:00:09Z (95% sure)"},
	} {
		f.Onset = Interval{noon + c.from*1e6, noon + c.to*1e6}
		x := ExplainOne(recordOf(f))
		if o := x.Alert.Onset; x.Began != c.want || o.From.After(x.Alert.StartedAt) || o.To.Before(x.Alert.StartedAt) {
			t.Errorf("%+v: %q, want %q", o, x.Began, c.want)
		}
	}
}

func recordOf(f Finding) Record {
	i := Open(f, noon+24e9)
	return i.Record(identity)
}

// Records come at least once and in any order.
func TestExplainTakesRecordsInAnyOrder(t *testing.T) {
	records := life(t)
	want, _ := json.Marshal(Explain(records))
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.Permutation(append(slices.Clone(records), records...)).Draw(t, "records")
		if got, _ := json.Marshal(Explain(given)); string(got) != string(want) {
			t.Fatalf("got %s", got)
		}
	})
}

// What is ruled out is ruled out by a figure of the record; what moved as well is not.
func TestExplainRulesOut(t *testing.T) {
	r := life(t)[0]
	for _, c := range []struct {
		why           string
		ratio, factor float64
		ruledOut      bool
	}{
		{"a rise that requests have no part in", 12, 1.02, true},
		{"a rise in spite of fewer requests", 12, 0.3, true},
		{"a rise that requests have a part in", 12, 1.5, false},
		{"a rise that requests have a hundredth's part in", 1000, 1.2, true},
		{"a fall in spite of more requests", 0.1, 1.5, true},
		{"a fall that requests have a part in", 0.1, 0.5, false},
		{"a rise in which requests have the part that they often have", 12, 1.51, true},
		{"no change, requests as before", 1.01, 1.02, true},
		{"no change, since two things cancel out", 1.01, 3, false},
	} {
		r.Usual = map[string]float64{"price": 1.0001}
		if c.factor == 1.51 {
			r.Usual["requests"] = 1.25
		}
		r.Ratio, r.Factors = &c.ratio, map[string]float64{"price": c.ratio / c.factor, "requests": c.factor}
		x := ExplainOne(r)
		ruled := slices.ContainsFunc(x.RuledOut, func(o RuledOut) bool { return strings.HasPrefix(o.By, "requests ") })
		moved := slices.ContainsFunc(x.AlsoMoved, func(o RuledOut) bool { return strings.HasPrefix(o.By, "requests ") })
		if ruled != c.ruledOut || moved == ruled {
			t.Errorf("%s: ruled out %v, moved %v", c.why, ruled, moved)
		}
		for _, o := range append(x.RuledOut, x.AlsoMoved...) {
			if strings.HasPrefix(o.By, "price ") {
				t.Errorf("%s: the verdict's own factor stands among what else could be: %v", c.why, o)
			}
		}
	}
	twelve := 12.0
	r.Ratio, r.Factors, r.Explained = &twelve, map[string]float64{"price": 4, "requests": 3}, map[string]string{"requests": "inc_1"}
	if x := ExplainOne(r); len(x.AlsoMoved) != 1 || x.AlsoMoved[0].By != "requests x3 of x12, which inc_1 explains" {
		t.Errorf("requests, which another incident explains: %v", x.AlsoMoved)
	}
	r.Incident, r.Factors, r.Explained = "inc_0", map[string]float64{"price": 4, "turns": 3}, map[string]string{"turns": "inc_0"}
	if x := ExplainOne(r); len(x.AlsoMoved) > 0 || !slices.ContainsFunc(x.RuledOut, func(o RuledOut) bool { return o.By == "turns x3 of x12, which came with it" }) {
		t.Errorf("turns, which a loss took: %v, %v", x.AlsoMoved, x.RuledOut)
	}
	r.Factors, r.Explained = map[string]float64{"price": 4, "mix": 3}, nil
	part := func(code string, x float64) Evidence {
		return Evidence{Code: code, Text: "pro's share of tokens", Observed: &x}
	}
	r.Evidence = append(r.Evidence, part("mix_model", 2.5), part("mix_input_output", 1.2), Evidence{Code: "mix_unheard_of"})
	if x := ExplainOne(r); len(x.AlsoMoved) != 1 || x.AlsoMoved[0].By != "mix x3 of x12 (model x2.5, input/output x1.2)" {
		t.Errorf("what mix is made of: %v", x.AlsoMoved)
	}
	// Tokens that are counted right and charged wrong are a price, which the verdict explains.
	r.Class, r.Cause, r.Factors, r.Explained = "metering_bug", "token_count", map[string]float64{"price": 12, "tokens": 1}, nil
	if x := ExplainOne(r); len(x.AlsoMoved) > 0 {
		t.Errorf("beside tokens charged wrong there moved %v", x.AlsoMoved)
	}
	r.Ratio, r.Factors = nil, nil
	if x := ExplainOne(r); len(x.AlsoMoved) > 0 {
		t.Errorf("without a past something moved: %v", x.AlsoMoved)
	}
}

// Every cause has words for what would change its verdict, and every class too, for causes of a newer program.
func TestDoubtsCoverTheCauses(t *testing.T) {
	for class := range classNames {
		r := Record{Class: string(class), Cause: "of a newer program", Scope: Scope{Kind: "user", User: "u"}}
		if x := ExplainOne(r); len(x.WouldChange) == 0 {
			t.Errorf("%s: nothing would change the verdict", class)
		}
	}
	for name := range doubts {
		if class, cause, named := strings.Cut(name, "/"); named && causeOf(class, cause).Next == "" {
			t.Errorf("%s is no cause", name)
		}
	}
}

// Whatever a file holds, it can be explained.
func FuzzExplain(f *testing.F) {
	for _, r := range life(f) {
		raw, _ := json.Marshal(r)
		f.Add(raw)
	}
	f.Add([]byte(`{"scope":{"kind":"users"},"ratio":1e-300,"factors":{"price":-1,"users":0},"merged_into":"\u001b[31m"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r Record
		if json.Unmarshal(raw, &r) != nil {
			return
		}
		x := Explain([]Record{r, life(t)[0]})
		for _, c := range x.Timeline {
			if len(c.What) == 0 {
				t.Error("a revision without a word")
			}
		}
		if !math.IsNaN(r.Confidence) && strings.Contains(Neutral(x.Headline), "\x1b") {
			t.Error("a headline speaks to terminals")
		}
	})
}
