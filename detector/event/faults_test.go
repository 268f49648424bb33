package event

import (
	"errors"
	"strings"
	"testing"
)

// faults holds one row for every rule of the form and every way to break a record that the decoder answers. The
// text is part of the answer: it goes to the dead letters, where somebody has to act on it.
var faults = []struct {
	name, line, reason, text string
}{
	// The record.
	{"E1 empty value", "", "empty", "record is empty; a tombstone carries no charge"},
	{"E1 white space only", " \r\n\t", "empty", "record is empty; a tombstone carries no charge"},
	{"E2 truncated in a string", `{"id":"r1","ti`, "json", "record ends at byte 14 where a closing quote belongs; it was cut short"},
	{"E2 truncated before the brace", `{"id":"r1"`, "json", "record ends at byte 10 where a comma or } belongs; it was cut short"},
	{"E2 truncated in a number", `{"credits":1.`, "json", "record ends at byte 13 where a digit belongs; it was cut short"},
	{"E3 10 MB record", row("x", `"`+strings.Repeat("a", 10<<20)+`"`), "too_large", "record has 10485834 bytes; at most 1048576 are read"},
	{"E5 depth 65", row("x", strings.Repeat("[", 64)+strings.Repeat("]", 64)), "depth", "nested deeper than 64 at byte 134; flatten what is not needed"},
	{"E5 depth 10k", row("x", strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000)), "depth", "nested deeper than 64 at byte 386; flatten what is not needed"},
	{"E7 invalid UTF-8", row("plan", "\"p\xffro\""), "utf8", "record is not UTF-8 at byte 76; send UTF-8"},
	{"E7 UTF-8 surrogate bytes in an unknown field", row("x", "\"\xed\xa0\x80\""), "utf8", "record is not UTF-8 at byte 72; send UTF-8"},
	{"E7 overlong NUL", row("x", "\"\xc0\x80\""), "utf8", "record is not UTF-8 at byte 72; send UTF-8"},
	{"E7 raw NUL in a string", row("user", "\"u\x001\""), "json", `not JSON at byte 50: "\x00" where an escaped control character belongs`},
	{"E7 raw NUL behind the record", row() + "\x00", "json", `not JSON at byte 67: "\x00" where the end of the record belongs`},
	{"E19 raw line break in a string", row("user", "\"u\n1\""), "json", `not JSON at byte 50: "\n" where an escaped control character belongs`},
	{"byte order mark", "\ufeff" + row(), "json", `not JSON at byte 0: "\ufeff" where an object belongs`},
	{"trailing garbage", row() + "x", "json", `not JSON at byte 67: "x" where the end of the record belongs`},
	{"two records on one line", row() + row(), "json", `not JSON at byte 67: "{" where the end of the record belongs`},
	{"trailing comma", `{"id":"r1",}`, "json", `not JSON at byte 11: "}" where a quote belongs`},
	{"single quotes", `{'id':'r1'}`, "json", `not JSON at byte 1: "'" where a quote belongs`},
	{"no colon", `{"id" "r1"}`, "json", `not JSON at byte 6: "\"" where a colon belongs`},
	{"no comma", `{"id":"r1" "user":"u"}`, "json", `not JSON at byte 11: "\"" where a comma or } belongs`},
	{"no value", `{"id":}`, "json", `not JSON at byte 6: "}" where a value belongs`},
	{"unknown escape", row("x", `"\x41"`), "json", `not JSON at byte 72: "\\" where an escape of JSON belongs`},
	{"short escape", row("x", `"\u12"`), "json", `not JSON at byte 72: "\\" where an escape of JSON belongs`},
	{"array closed as an object", row("x", `[1}`), "json", `not JSON at byte 73: "}" where a comma or ] belongs`},
	{"object closed as an array", row("x", `{"a":1]`), "json", `not JSON at byte 77: "]" where a comma or } belongs`},
	{"leading zero", row("credits", "01"), "json", `not JSON at byte 64: "1" where a comma or } belongs`},
	{"bare point", row("credits", "1."), "json", `not JSON at byte 65: "}" where a digit belongs`},
	{"plus sign", row("credits", "+1"), "json", `not JSON at byte 63: "+" where a value belongs`},
	{"hex", row("credits", "0x10"), "json", `not JSON at byte 64: "x" where a comma or } belongs`},
	{"a list of records", "[" + row() + "]", "type", "record is an array; send one JSON object a record"},
	{"a string", `"usage"`, "type", "record is a string; send one JSON object a record"},
	{"not JSON at all", "id=r1 user=u1", "json", `not JSON at byte 0: "i" where an object belongs`},
	{"compressed bytes", "\x1f\x8b\x08\x00", "utf8", "record is not UTF-8 at byte 1; send UTF-8"},

	// Keys.
	{"E6 duplicate credits", with(row(), `"credits":9`), "duplicate_key", "credits: comes twice; send each field once"},
	{"E6 duplicate with the same value", with(row(), `"user":"u1"`), "duplicate_key", "user: comes twice; send each field once"},
	{"E6 duplicate behind a null", `{"user":null,"user":"u1"}`, "duplicate_key", "user: comes twice; send each field once"},
	{"E6 duplicate in disguise", with(row(), `"cred\u0069ts":9`), "duplicate_key", "credits: comes twice; send each field once"},

	// Required fields.
	{"E11 no id", row("id", "-"), "missing", "id: is required and absent or null"},
	{"no time", row("time", "-"), "missing", "time: is required and absent or null"},
	{"E11 no user", row("user", "-"), "missing", "user: is required and absent or null"},
	{"no credits", row("credits", "-"), "missing", "credits: is required and absent or null"},
	{"null user", row("user", "null"), "missing", "user: is required and absent or null"},
	{"empty object", "{}", "missing", "id: is required and absent or null"},

	// Identities.
	{"E12 empty user", row("user", `""`), "length", "user: is empty; send its name"},
	{"E12 blank user", row("user", `"  "`), "blank", "user: is white space; send its name"},
	{"E12 blank in Unicode", row("user", `"\u00a0\u2003"`), "blank", "user: is white space; send its name"},
	{"E12 user of 257 bytes", row("user", `"`+strings.Repeat("u", 257)+`"`), "length", "user: has 257 bytes; at most 256 are taken"},
	{"E12 user of a million bytes", row("user", `"`+strings.Repeat("u", 1_000_000)+`"`), "length", "user: has 1000000 bytes; at most 256 are taken"},
	{"E12 user of 1 MiB", row("user", `"`+strings.Repeat("u", 1<<20)+`"`), "too_large", "record has 1048641 bytes; at most 1048576 are read"},
	{"empty id", row("id", `""`), "length", "id: is empty; send its name"},
	{"blank id", row("id", `"\t"`), "blank", "id: is white space; send its name"},
	{"id of 129 bytes", row("id", `"`+strings.Repeat("i", 129)+`"`), "length", "id: has 129 bytes; at most 128 are taken"},
	{"id of 129 bytes, escaped", row("id", `"`+strings.Repeat(`\u0069`, 129)+`"`), "length", "id: has 129 bytes; at most 128 are taken"},
	{"E7 NUL in user", row("user", `"a\u0000b"`), "control", "user: holds a NUL; send it without"},
	{"E7 NUL in id", row("id", `"\u0000"`), "control", "id: holds a NUL; send it without"},
	{"E7 lone high surrogate", row("user", `"a\ud800"`), "utf8", "user: has half a surrogate pair; send valid Unicode"},
	{"E7 lone low surrogate", row("plan", `"\udc00\ud800"`), "utf8", "plan: has half a surrogate pair; send valid Unicode"},
	{"E7 high surrogate and another escape", row("plan", `"\ud800\u0041"`), "utf8", "plan: has half a surrogate pair; send valid Unicode"},

	// Time.
	{"E14 time zero", row("time", "0"), "range", "time: 0 is not after 1973-03-03, the earliest time taken; send Unix milliseconds or RFC 3339"},
	{"E14 negative time", row("time", "-1782396007000"), "range", "time: -1782396007000 is not after 1973-03-03, the earliest time taken; send Unix milliseconds or RFC 3339"},
	{"E14 1970", row("time", `"1970-01-01T00:00:00Z"`), "range", `time: "1970-01-01T00:00:00Z" is not between 1973-03-03 and 2262-04-11`},
	{"E14 year 9999", row("time", `"9999-12-31T23:59:59Z"`), "range", `time: "9999-12-31T23:59:59Z" is not between 1973-03-03 and 2262-04-11`},
	{"year 0", row("time", `"0000-01-01T00:00:00Z"`), "range", `time: "0000-01-01T00:00:00Z" is not between 1973-03-03 and 2262-04-11`},
	{"E15 seconds", row("time", "1782396007"), "time_unit", "time: 1782396007 looks like seconds; send Unix milliseconds or RFC 3339"},
	{"E15 microseconds", row("time", "1782396007000000"), "range", "time: 1782396007000000 is past the year 2262 in milliseconds and looks like micro- or nanoseconds; send Unix milliseconds or RFC 3339"},
	{"E15 nanoseconds", row("time", "1782396007000000000"), "range", "time: 1782396007000000000 is beyond 2^53-1; check the unit"},
	{"E15 float seconds", row("time", "1782396007.123"), "number", "time: 1782396007.123 is not a whole number; send an integer"},
	{"E15 seconds in account_created_at", row("account_created_at", "1700000000"), "time_unit", "account_created_at: 1700000000 looks like seconds; send Unix milliseconds or RFC 3339"},
	{"milliseconds in a string", row("time", `"1782396007000"`), "time", `time: "1782396007000" is not an RFC 3339 time; send it like 2026-06-25T14:00:07.123456789Z`},
	{"empty time", row("time", `""`), "time", `time: "" is not an RFC 3339 time; send it like 2026-06-25T14:00:07.123456789Z`},
	{"a space for the T", row("time", `"2026-06-25 14:00:07Z"`), "time", `time: "2026-06-25 14:00:07Z" is not an RFC 3339 time; send it like 2026-06-25T14:00:07.123456789Z`},
	{"no offset", row("time", `"2026-06-25T14:00:07.5"`), "time", `time: "2026-06-25T14:00:07.5" is not an RFC 3339 time with at most nine fractional digits; send it like 2026-06-25T14:00:07.123456789Z`},
	{"ten fractional digits", row("time", `"2026-06-25T14:00:07.1234567891Z"`), "time", `time: "2026-06-25T14:00:07.1234567891Z" is not an RFC 3339 time with at most nine fractional digits; send it like 2026-06-25T14:00:07.123456789Z`},
	{"30 February", row("time", `"2026-02-30T14:00:07Z"`), "time", `time: "2026-02-30T14:00:07Z" is no date and time of the calendar`},
	{"29 February 2100", row("time", `"2100-02-29T14:00:07Z"`), "time", `time: "2100-02-29T14:00:07Z" is no date and time of the calendar`},
	{"hour 24", row("time", `"2026-06-25T24:00:00Z"`), "time", `time: "2026-06-25T24:00:00Z" is no date and time of the calendar`},
	{"second 61", row("time", `"2016-12-31T23:59:61Z"`), "time", `time: "2016-12-31T23:59:61Z" is no date and time of the calendar`},
	{"second 60 at noon", row("time", `"2016-12-31T12:00:60Z"`), "time", `time: "2016-12-31T12:00:60Z" has a second 60 where there can be no leap second`},
	{"second 60 within a month", row("time", `"2016-12-30T23:59:60Z"`), "time", `time: "2016-12-30T23:59:60Z" has a second 60 where there can be no leap second`},
	{"time as a boolean", row("time", "true"), "type", "time: is a boolean; send RFC 3339 or integer Unix milliseconds"},
	{"bad quota_resets_at", row("quota_resets_at", `"soon"`), "time", `quota_resets_at: "soon" is not an RFC 3339 time; send it like 2026-06-25T14:00:07.123456789Z`},

	// Credits.
	{"E8 NaN credits", row("credits", "NaN"), "json", `not JSON at byte 63: "N" where a value belongs`},
	{"E8 nan credits", row("credits", "nan"), "json", `not JSON at byte 63: "n" where a value belongs`},
	{"E8 infinite credits", row("credits", "-Infinity"), "json", `not JSON at byte 64: "I" where a digit belongs`},
	{"E8 1e400 credits", row("credits", "1e400"), "number", "credits: 1e400 is more than a double holds; check the unit"},
	{"E8 NaN in a string", row("credits", `"NaN"`), "credits", `credits: "NaN" is not a decimal number; send one like 12.5`},
	{"E9 negative usage", row("credits", "-0.01"), "credits", "credits: -0.010000000 is negative for kind usage; only a refund or an adjustment may be"},
	{"E9 negative penalty", row("credits", "-1", "kind", `"penalty"`), "credits", "credits: -1.000000000 is negative for kind penalty; only a refund or an adjustment may be"},
	{"E10 credits beyond int64", row("credits", "9223372036.854775808"), "credits", `credits: "9223372036.854775808" is beyond the 9,223,372,036 credits that one row can hold; check the unit`},
	{"E10 credits far beyond", row("credits", `"1e99999999999999999999"`), "credits", `credits: "1e99999999999999999999" is beyond the 9,223,372,036 credits that one row can hold; check the unit`},
	{"comma for the point", row("credits", `"1,5"`), "credits", `credits: "1,5" is not a decimal number; send one like 12.5`},
	{"empty credits", row("credits", `""`), "credits", `credits: "" is not a decimal number; send one like 12.5`},
	{"white space in credits", row("credits", `" 1"`), "credits", `credits: " 1" is not a decimal number; send one like 12.5`},
	{"credits as a list", row("credits", "[1]"), "type", "credits: is an array; send a number or a decimal string"},
	{"reset that moves money", row("kind", `"reset"`), "credits", "credits: 1.500000000 for a reset, which moves no money; send 0, and a refund beside it"},

	// Tokens.
	{"fractional tokens", row("input_tokens", "1.5"), "number", "input_tokens: 1.5 is not a whole number; send an integer"},
	{"E8 1e400 tokens", row("input_tokens", "1e400"), "number", "input_tokens: 1e400 is more than a double holds; send a plain integer"},
	{"E10 2^53 tokens", row("input_tokens", "9007199254740992"), "range", "input_tokens: 9007199254740992 is beyond 2^53-1; check the unit"},
	{"E10 2^64 tokens", row("output_tokens", "18446744073709551616"), "range", "output_tokens: 18446744073709551616 is beyond 2^53-1; check the unit"},
	{"negative tokens", row("output_tokens", "-1"), "range", "output_tokens: -1 is negative; send a count from 0"},
	{"tokens in a string", row("output_tokens", `"12"`), "type", "output_tokens: is a string; send an integer"},
	{"cached above input", row("input_tokens", "5", "cached_tokens", "6"), "range", "cached_tokens: 6 exceeds input_tokens, 5, of which it is a part"},
	{"cached without input", row("cached_tokens", "6"), "range", "cached_tokens: 6 exceeds input_tokens, 0, of which it is a part"},
	{"cache writes above input", row("input_tokens", "5", "cache_write_tokens", "6"), "range", "cache_write_tokens: 6 exceeds input_tokens, 5, of which it is a part"},
	{"reasoning above output", row("output_tokens", "5", "reasoning_tokens", "6"), "range", "reasoning_tokens: 6 exceeds output_tokens, 5, of which it is a part"},

	// Names and strings.
	{"unknown kind", row("kind", `"charge"`), "range", `kind: "charge" is not one of usage, penalty, adjustment, refund, reset`},
	{"empty kind", row("kind", `""`), "range", `kind: "" is not one of usage, penalty, adjustment, refund, reset`},
	{"kind in capitals", row("kind", `"Usage"`), "range", `kind: "Usage" is not one of usage, penalty, adjustment, refund, reset`},
	{"kind as a number", row("kind", "1"), "type", "kind: is a number; send a string"},
	{"unknown status", row("status", `"timeout"`), "range", `status: "timeout" is not one of ok, rate_limited, error`},
	{"status as a boolean", row("status", "true"), "type", "status: is a boolean; send a string"},
	{"unknown origin", row("origin", `"cron"`), "range", `origin: "cron" is not one of user, tool, subagent, background, auto_review, compaction, retry or empty`},
	{"E19 escape sequence in a message", row("kind", `"\u001b[31m\r\nok"`), "range", `kind: "\x1b[31m\r\nok" is not one of usage, penalty, adjustment, refund, reset`},
	{"E18 right-to-left override in a message", row("kind", `"\u202egasu"`), "range", `kind: "\u202egasu" is not one of usage, penalty, adjustment, refund, reset`},
	{"long value in a message", row("kind", `"`+strings.Repeat("k", 500)+`"`), "range", `kind: "` + strings.Repeat("k", 40) + `"... is not one of usage, penalty, adjustment, refund, reset`},
	{"user as a number", row("user", "17"), "type", "user: is a number; send a string"},
	{"asn as a number", row("asn", "64500"), "type", "asn: is a number; send a string"},
	{"model as an object", row("model", "{}"), "type", "model: is an object; send a string"},
	{"plan of 129 bytes", row("plan", `"`+strings.Repeat("p", 129)+`"`), "length", "plan: has 129 bytes; at most 128 are taken"},
	{"reason of 129 bytes", row("reason", `"`+strings.Repeat("p", 129)+`"`), "length", "reason: has 129 bytes; at most 128 are taken"},
	{"device of 1025 bytes", row("device", `"`+strings.Repeat("p", 1025)+`"`), "length", "device: has 1025 bytes; at most 1024 are taken"},
	{"request_id of 1025 bytes", row("request_id", `"`+strings.Repeat("p", 1025)+`"`), "length", "request_id: has 1025 bytes; at most 1024 are taken"},

	// The gauge.
	{"quota as a percentage", row("quota_used", "42"), "range", "quota_used: 42 is not from 0 to 1; send a share, not a percentage"},
	{"negative quota", row("quota_used", "-0.1"), "range", "quota_used: -0.1 is not from 0 to 1; send a share, not a percentage"},
	{"E8 1e400 quota", row("quota_used", "1e400"), "number", "quota_used: 1e400 is more than a double holds; send a share from 0 to 1"},
	{"quota in a string", row("quota_used", `"0.5"`), "type", "quota_used: is a string; send a number from 0 to 1"},

	// Other formats.
	{"CloudEvents", `{"specversion":"1.0","id":"1","source":"s","type":"tokens","time":"2026-06-25T14:00:07Z","subject":"u1","data":{"credits":1}}`, "format", "no adapter for cloudevents yet; convert the record to the native form"},
	{"OpenTelemetry attributes", `{"gen_ai.system":"x","gen_ai.usage.input_tokens":5}`, "format", "no adapter for otel yet; convert the record to the native form"},
	{"OpenTelemetry span", `{"name":"chat","attributes":{"gen_ai.request.model":"m"}}`, "format", "no adapter for otel yet; convert the record to the native form"},
	{"OpenTelemetry export", `{"resourceSpans":[]}`, "format", "no adapter for otel yet; convert the record to the native form"},
	{"LiteLLM", `{"request_id":"q","user":"","spend":0.1,"startTime":"2026-06-25 14:00:07","model":"m","metadata":{}}`, "format", "no adapter for litellm yet; convert the record to the native form"},
	{"OpenAI chat completion", `{"id":"chatcmpl-1","object":"chat.completion","created":1782396007,"model":"m","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`, "format", "no adapter for openai yet; convert the record to the native form"},
	{"OpenAI response", `{"id":"resp_1","object":"response","model":"m","reasoning":{},"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}`, "format", "no adapter for openai yet; convert the record to the native form"},
	{"Anthropic message", `{"id":"msg_1","type":"message","model":"m","usage":{"input_tokens":1,"output_tokens":2}}`, "format", "no adapter for anthropic yet; convert the record to the native form"},
	{"another format, cut short", `{"specversion":"1.0","id":"1"`, "json", "record ends at byte 29 where a comma or } belongs; it was cut short"},
	{"native with a fault and a usage object", row("kind", `"x"`, "usage", `{"prompt_tokens":1}`), "range", `kind: "x" is not one of usage, penalty, adjustment, refund, reset`},
}

func TestDecodeRefuses(t *testing.T) {
	d, err := NewDecoder(FormatAuto)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			e := Event{ID: "stale"}
			err := d.Decode(tt.line, &e)
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("Decode = %v, want an *Error", err)
			}
			if fault.Reason != tt.reason || fault.Error() != tt.text {
				t.Errorf("got  %s | %s\nwant %s | %s", fault.Reason, fault, tt.reason, tt.text)
			}
			if e != (Event{}) {
				t.Errorf("event holds %+v after an error, want zero", e)
			}
			for _, c := range []byte(err.Error()) {
				if c < ' ' || c > '~' {
					t.Errorf("message %q is not printable ASCII", err)
				}
			}
			if len(err.Error()) > 300 {
				t.Errorf("message has %d bytes", len(err.Error()))
			}
			given[fault.Reason] = true
		})
	}
	for _, r := range Reasons() {
		if !given[r] {
			t.Errorf("no record of the table is refused for reason %s", r)
		}
		delete(given, r)
	}
	if len(given) > 0 {
		t.Errorf("Reasons lacks %v", given)
	}
}

// Hostile but well-formed text is data: it is kept byte for byte, and whoever prints it neutralises it.
func TestDecodeKeepsHostileText(t *testing.T) {
	for name, s := range map[string]string{
		"E16 markup":                 `<img src=x onerror=alert(1)>`,
		"E17 formula":                `=cmd|' /C calc'!A0`,
		"E17 at sign":                `@SUM(1+1)`,
		"E18 right-to-left override": "\u202egnp.exe",
		"E18 zero width":             "pro\u200b",
		"E18 homoglyph":              "prо",
		"E20 Slack":                  `<!channel> <https://evil.example|ok>`,
		"E28 label injection":        `x"} 1`,
	} {
		t.Run(name, func(t *testing.T) {
			line := string((&Event{ID: "r1", User: "u1", Time: 1782396007e9, Dims: [NumDims]string{ClientVersion: s}}).AppendJSON(nil))
			if got := mustDecode(t, line).Dims[ClientVersion]; got != s {
				t.Errorf("got %q, want %q", got, s)
			}
		})
	}
}

// Cutting a record anywhere, or damaging any byte of it, ends in an answer and never in a panic.
func TestDecodeSurvivesDamage(t *testing.T) {
	line := row("plan", `"p\u00e9\ud83d\ude00"`, "x", `{"a":[1.5e3,true]}`, "input_tokens", "5")
	var d Decoder
	var e Event
	for i := range line {
		if err := d.Decode(line[:i], &e); err == nil {
			t.Errorf("the first %d bytes were accepted: %s", i, line[:i])
		}
		for c := range 256 {
			_ = d.Decode(line[:i]+string([]byte{byte(c)})+line[i+1:], &e)
		}
	}
}

func TestNativeDoesNotGuess(t *testing.T) {
	d, err := NewDecoder(FormatNative)
	if err != nil {
		t.Fatal(err)
	}
	var e Event
	got := d.Decode(`{"specversion":"1.0","id":"1","time":"2026-06-25T14:00:07Z"}`, &e)
	if got == nil || got.Error() != "user: is required and absent or null" {
		t.Errorf("Decode = %v, want the native fault", got)
	}
}
