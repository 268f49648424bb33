package event

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Records built from known names and values that sit on the edges of the rules, some damaged: the reference
// must agree. Plain fuzzing rarely keeps a record valid for long; this does.
func TestDecodeAgreesWithReference(t *testing.T) {
	values := []string{
		"null", "true", "false", "0", "-0", "1", "12.0", "1e3", "1.5", "-1", "0.5", "1e400", "1e-400", "9007199254740991", "9007199254740992",
		"1782396007000", "1782396007", "99999999999", "100000000000", "9223372035999", "9223372036000", "9223372036.854775807", "9223372036.854775808",
		`""`, `"ok"`, `"refund"`, `"adjustment"`, `"reset"`, `"penalty"`, `"error"`, `"tool"`, `"1.5"`, `"+.5e-3"`, `"-2"`, `" 1"`, `"a\u0000"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\u2003"`,
		`"2026-06-25T14:00:07Z"`, `"2026-06-25t14:00:07.123456789+05:30"`, `"2016-12-31T23:59:60Z"`, `"2026-06-25T23:59:60Z"`, `"2024-02-29T00:00:00z"`, `"2026-02-29T00:00:00Z"`,
		`"` + strings.Repeat("x", 128) + `"`, `"` + strings.Repeat("x", 129) + `"`, `"` + strings.Repeat("é", 128) + `"`, `"` + strings.Repeat("é", 129) + `"`,
		"{}", "[]", `{"a":[1,{"b":null}]}`, strings.Repeat("[", 63) + strings.Repeat("]", 63), strings.Repeat("[", 64) + strings.Repeat("]", 64),
		"nan", "01", `"\x"`, "[1}", "",
	}
	names := append([]string{"x", "User", `us\u0065r`, "data"}, wireNames...)
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		over := []string{}
		for i := range rapid.IntRange(0, 4).Draw(t, "members") {
			over = append(over, rapid.SampledFrom(names).Draw(t, fmt.Sprint("name", i)), rapid.SampledFrom(values).Draw(t, fmt.Sprint("value", i)))
		}
		line := row(over...)
		if rapid.IntRange(0, 9).Draw(t, "twice") == 0 {
			line = with(line, `"`+rapid.SampledFrom(names).Draw(t, "again")+`":`+rapid.SampledFrom(values).Draw(t, "value"))
		}
		if rapid.IntRange(0, 9).Draw(t, "damage") == 0 {
			i := rapid.IntRange(0, len(line)-1).Draw(t, "at")
			line = line[:i] + rapid.SampledFrom([]string{"", " ", "\x00", `"`, "{", "}", ",", "\xff", "e", "0"}).Draw(t, "byte") + line[i+1:]
		}
		var got Event
		err := (&Decoder{auto: true}).Decode(line, &got)
		want, ok := reference(line)
		if ok != (err == nil) || got != want {
			t.Fatalf("Decode(%s) = %v\ngot  %+v\nwant %+v, %v", line, err, got, want, ok)
		}
		if ok {
			accepted++
		}
	})
	if accepted == 0 {
		t.Error("no record was accepted; the generator tests nothing")
	}
}

// events draws events that keep every rule.
func events() *rapid.Generator[Event] {
	return rapid.Custom(func(t *rapid.T) Event {
		text := func(name string, most int) string {
			return rapid.OneOf(rapid.Just(""), rapid.StringN(0, 20, most), rapid.SampledFrom([]string{"\x00\x1f\"\\/\u2028<>&\u007f", "😀", "=1+1"})).Draw(t, name)
		}
		part := func(name string, whole int64) int64 { return rapid.Int64Range(0, whole).Draw(t, name) }
		at := func(name string) int64 {
			return rapid.Int64Range(earliestMilli*1e6, latestSec*1e9+999_999_999).Draw(t, name)
		}
		e := Event{
			ID: "i" + text("id", 100), User: "u" + text("user", 200), RequestID: text("request", 1000), Time: at("time"),
			Kind: Kind(rapid.IntRange(0, int(numKinds)-1).Draw(t, "kind")), Status: Status(rapid.IntRange(0, int(numStatuses)-1).Draw(t, "status")),
			TurnID: text("turn", 1000), Reason: text("reason", 128), Enforcement: text("enforcement", 1000), Session: text("session", 1000),
			Device: text("device", 1000), IP: text("ip", 1000), ASN: text("asn", 1000), Country: text("country", 1000), APIKey: text("key", 1000),
		}
		e.ID, e.User = strings.ReplaceAll(e.ID, "\x00", ""), strings.ReplaceAll(e.User, "\x00", "")
		if e.RequestID == "" {
			e.RequestID = e.ID
		}
		for d := range e.Dims {
			e.Dims[d] = text(Dim(d).String(), 128)
		}
		e.Dims[Origin] = rapid.SampledFrom([]string{"", "user", "retry"}).Draw(t, "origin")
		switch e.Kind {
		case Reset:
		case Refund, Adjustment:
			e.Credits = Credits(rapid.Int64().Draw(t, "credits"))
		default:
			e.Credits = Credits(rapid.OneOf(rapid.Int64Min(0), rapid.Int64Range(0, 1<<40)).Draw(t, "credits"))
		}
		if e.HasTokens = rapid.Bool().Draw(t, "tokens"); e.HasTokens {
			e.Input, e.Output = part("input", MaxTokens), part("output", MaxTokens)
			e.Cached, e.CacheWrite, e.Reasoning = part("cached", e.Input), part("write", e.Input), part("reasoning", e.Output)
		}
		if e.HasQuota = rapid.Bool().Draw(t, "quota"); e.HasQuota {
			e.QuotaUsed = rapid.Float64Range(0, 1).Draw(t, "used")
			e.QuotaResets = at("resets")
		}
		if rapid.Bool().Draw(t, "aged") {
			e.AccountCreated = at("created")
		}
		return e
	})
}

func TestAppendJSONRoundTrips(t *testing.T) {
	gen := events()
	rapid.Check(t, func(t *rapid.T) {
		want := gen.Draw(t, "event")
		line := string(want.AppendJSON([]byte("prefix ")))
		line, _ = strings.CutPrefix(line, "prefix ")
		if strings.ContainsAny(line, "\n\r") {
			t.Fatalf("more than one line: %q", line)
		}
		var got Event
		if err := (&Decoder{}).Decode(line, &got); err != nil || got != want {
			t.Fatalf("%s\ngot  %+v, %v\nwant %+v", line, got, err, want)
		}
		if ref, ok := reference(line); !ok || ref != want {
			t.Fatalf("%s\nreference reads %+v, %v\nwant            %+v", line, ref, ok, want)
		}
	})
}

func TestAppendJSONForm(t *testing.T) {
	e := Event{ID: "r1", User: "u1", RequestID: "r1", Time: 1782396007 * 1e9, Credits: Credit / 8}
	tests := []struct {
		name   string
		change func(*Event)
		want   string
	}{
		{"defaults are left out", func(*Event) {}, `{"id":"r1","time":"2026-06-25T14:00:07Z","user":"u1","credits":0.125}`},
		{"tokens that are zero stay", func(e *Event) { e.HasTokens = true }, `{"id":"r1","time":"2026-06-25T14:00:07Z","user":"u1","credits":0.125,"input_tokens":0,"output_tokens":0}`},
		{"money that a double cannot hold is text", func(e *Event) { e.Credits = 1<<53 + 1 }, `{"id":"r1","time":"2026-06-25T14:00:07Z","user":"u1","credits":"9007199.254740993"}`},
		{"bytes that are no text are replaced", func(e *Event) { e.Dims[Plan] = "p\xff\n" }, `{"id":"r1","time":"2026-06-25T14:00:07Z","user":"u1","credits":0.125,"plan":"p` + "\uFFFD" + `\n"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e
			tt.change(&e)
			if got := string(e.AppendJSON(nil)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Every time that package time can write is read back to the nanosecond, in any zone of whole minutes.
func TestTimeAgreesWithPackageTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int64Range(earliestMilli*1e6, latestSec*1e9+999_999_999).Draw(t, "nano")
		zone := time.FixedZone("", 60*rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "minutes"))
		s := time.Unix(0, want).In(zone).Format(time.RFC3339Nano)
		if got, err := rfcTime(fTime, s); err != nil || got != want {
			t.Fatalf("%s = %d, %v, want %d", s, got, err, want)
		}
	})
	for day := time.Date(1973, 3, 4, 0, 0, 0, 0, time.UTC); day.Year() < 2262; day = day.AddDate(0, 0, 1) {
		s := day.Format(time.RFC3339)
		if got, err := rfcTime(fTime, s); err != nil || got != day.UnixNano() {
			t.Fatalf("%s = %d, %v, want %d", s, got, err, day.UnixNano())
		}
		if first := day.Day() == 1; leapSecond(day.Unix()-1) != first {
			t.Fatalf("a leap second before %s: %v, want %v", s, !first, first)
		}
	}
}

func TestNamesOfFields(t *testing.T) {
	if len(wireNames) != numFields-1 {
		t.Errorf("the contract names %d fields, the decoder %d", len(wireNames), numFields-1)
	}
	for _, name := range wireNames {
		if f := fieldOf(name); f == fUnknown || f.String() != name {
			t.Errorf("%s is field %d, named %s", name, f, f)
		}
	}
	for _, name := range []string{"", "ID", "User", "credit", "input", "client_versions"} {
		if f := fieldOf(name); f != fUnknown {
			t.Errorf("%q is taken for %s", name, f)
		}
	}
}
