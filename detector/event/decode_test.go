package event

import (
	"strings"
	"testing"
	"time"
)

// row returns a valid record whose fields are replaced by name: a nil-like "-" drops one, anything else is its JSON.
func row(over ...string) string {
	names := []string{"id", "time", "user", "credits"}
	values := map[string]string{"id": `"r1"`, "time": `"2026-06-25T14:00:07Z"`, "user": `"u1"`, "credits": `1.5`}
	for i := 0; i < len(over); i += 2 {
		if _, ok := values[over[i]]; !ok {
			names = append(names, over[i])
		}
		values[over[i]] = over[i+1]
	}
	var b strings.Builder
	for _, n := range names {
		if values[n] == "-" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + n + `":` + values[n])
	}
	return "{" + b.String() + "}"
}

// with appends members to a record.
func with(line, members string) string { return line[:len(line)-1] + "," + members + "}" }

func at(t testing.TB, s string) int64 {
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v.UnixNano()
}

func mustDecode(t testing.TB, line string) Event {
	t.Helper()
	d, err := NewDecoder("auto")
	if err != nil {
		t.Fatal(err)
	}
	e := Event{ID: "stale", Cached: 7, HasTokens: true, HasQuota: true, APIKey: "stale"} // must not shine through
	if err := d.Decode(line, &e); err != nil {
		t.Fatalf("Decode(%s): %v", line, err)
	}
	return e
}

func TestDecodeEveryField(t *testing.T) {
	got := mustDecode(t, `{"id":"r1","time":"2026-06-25T16:00:07.123456789+02:00","user":"u1","request_id":"q1",`+
		`"kind":"refund","status":"rate_limited","credits":-0.000000001,`+
		`"input_tokens":100,"cached_tokens":60,"cache_write_tokens":50,"output_tokens":20,"reasoning_tokens":20,`+
		`"org":"o","plan":"pro","model":"m","client":"c","client_version":"1.2","surface":"cli","region":"eu","meter":"m7","experiment":"arm",`+
		`"origin":"auto_review","price_id":"p1","pool":"supplementary","turn_id":"t1","reason":"why","enforcement":"suspect",`+
		`"account_created_at":1700000000123,"quota_used":0.25,"quota_resets_at":"2026-06-25T19:00:00Z",`+
		`"session":"s","device":"d","ip":"192.0.2.1","asn":"64500","country":"DE","api_key":"k"}`)
	want := Event{
		ID: "r1", User: "u1", RequestID: "q1", Time: at(t, "2026-06-25T14:00:07.123456789Z"),
		Kind: Refund, Status: RateLimited, Credits: -1,
		Input: 100, Cached: 60, CacheWrite: 50, Output: 20, Reasoning: 20, HasTokens: true,
		Dims: [NumDims]string{
			Org: "o", Plan: "pro", Model: "m", Client: "c", ClientVersion: "1.2", Surface: "cli", Region: "eu", Meter: "m7",
			Experiment: "arm", Origin: "auto_review", PriceID: "p1", Pool: "supplementary",
		},
		TurnID: "t1", Reason: "why", Enforcement: "suspect",
		Session: "s", Device: "d", IP: "192.0.2.1", ASN: "64500", Country: "DE", APIKey: "k",
		AccountCreated: 1700000000123 * 1e6, QuotaUsed: 0.25, HasQuota: true, QuotaResets: at(t, "2026-06-25T19:00:00Z"),
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeAccepts(t *testing.T) {
	minimal := func(change func(*Event)) Event {
		e := Event{ID: "r1", User: "u1", RequestID: "r1", Time: 1782396007 * 1e9, Credits: 1_500_000_000}
		if change != nil {
			change(&e)
		}
		return e
	}
	x := strings.Repeat
	tests := []struct {
		name, line string
		want       Event
	}{
		{"defaults: request_id is id, kind usage, status ok, no tokens", row(), minimal(nil)},
		{"white space around everything", " \t\r\n" + `{ "id" : "r1" , "time":1782396007000 ,"user" :"u1","credits": 1.5 } ` + "\r\n", minimal(nil)},
		{"null is absent for an optional field", row("kind", "null", "status", "null", "input_tokens", "null", "plan", "null", "quota_used", "null", "account_created_at", "null"), minimal(nil)},
		{"empty request_id is absent", row("request_id", `""`), minimal(nil)},
		{"unknown fields of every shape are ignored", row("v", "2", "x", `{"a":[1,-2.5e+3,true,false,null,{"b":"\u0000\ud800"}],"c":{}}`, "y", "[]"), minimal(nil)},
		{"an unknown field may come twice and hold 1e400", with(row("x", "1e400"), `"x":2`), minimal(nil)},
		{"names are matched exactly: User is unknown", row("User", `"other"`), minimal(nil)},
		{"escaped key is the same key", strings.Replace(row(), `"user"`, `"\u0075s\u0065r"`, 1), minimal(nil)},
		{"nested to depth 64", row("x", x("[", 63)+x("]", 63)), minimal(nil)},
		{"token fields present but zero: has tokens", row("output_tokens", "0"), minimal(func(e *Event) { e.HasTokens = true })},
		{"integers in any notation", row("input_tokens", "12.0", "output_tokens", "1e3", "cached_tokens", "120E-1"), minimal(func(e *Event) { e.HasTokens, e.Input, e.Cached, e.Output = true, 12, 12, 1000 })},
		{"minus zero is zero", row("input_tokens", "-0"), minimal(func(e *Event) { e.HasTokens = true })},
		{"2^53-1 tokens", row("input_tokens", "9007199254740991"), minimal(func(e *Event) { e.HasTokens, e.Input = true, 1<<53-1 })},
		{"each part up to its whole, taken singly", row("input_tokens", "5", "cached_tokens", "5", "cache_write_tokens", "5"), minimal(func(e *Event) { e.HasTokens, e.Input, e.Cached, e.CacheWrite = true, 5, 5, 5 })},
		{"credits as a string", row("credits", `"1.5"`), minimal(nil)},
		{"credits with an exponent", row("credits", "15e-1"), minimal(nil)},
		{"credits of 2^53+1 units stay exact", row("credits", "9007199.254740993"), minimal(func(e *Event) { e.Credits = 1<<53 + 1 })},
		{"credits with float noise round half to even", row("credits", "0.1234567891234"), minimal(func(e *Event) { e.Credits = 123456789 })},
		{"zero credits for usage", row("credits", "0"), minimal(func(e *Event) { e.Credits = 0 })},
		{"negative refund", row("credits", "-1.5", "kind", `"refund"`), minimal(func(e *Event) { e.Kind, e.Credits = Refund, -1_500_000_000 })},
		{"negative adjustment", row("credits", "-1.5", "kind", `"adjustment"`), minimal(func(e *Event) { e.Kind, e.Credits = Adjustment, -1_500_000_000 })},
		{"positive adjustment", row("kind", `"adjustment"`), minimal(func(e *Event) { e.Kind = Adjustment })},
		{"penalty", row("kind", `"penalty"`, "reason", `"burst"`), minimal(func(e *Event) { e.Kind, e.Reason = Penalty, "burst" })},
		{"reset", row("kind", `"reset"`, "credits", "0", "reason", `"banked"`), minimal(func(e *Event) { e.Kind, e.Credits, e.Reason = Reset, 0, "banked" })},
		{"origin may be empty", row("origin", `""`), minimal(nil)},
		{"longest id and user", row("id", `"`+x("i", 128)+`"`, "user", `"`+x("é", 128)+`"`), minimal(func(e *Event) { e.ID, e.RequestID, e.User = x("i", 128), x("i", 128), x("é", 128) })},
		{"length counts what an escape stands for", row("plan", `"`+x(`\u00e9`, 64)+`"`), minimal(func(e *Event) { e.Dims[Plan] = x("é", 64) })},
		{"escapes", row("user", `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`), minimal(func(e *Event) { e.User = "\"\\/\b\f\n\r\té😀" })},
		{"white space inside a name", row("user", `" a b"`), minimal(func(e *Event) { e.User = " a b" })},
		{"an escaped NUL is kept outside identities", row("plan", `"a\u0000b"`), minimal(func(e *Event) { e.Dims[Plan] = "a\x00b" })},
		{"time in lower case", row("time", `"2026-06-25t14:00:07z"`), minimal(nil)},
		{"time with an offset", row("time", `"2026-06-25T19:30:07+05:30"`), minimal(nil)},
		{"time of unknown local offset", row("time", `"2026-06-25T14:00:07-00:00"`), minimal(nil)},
		{"time in nanoseconds", row("time", `"2026-06-25T14:00:07.000000001Z"`), minimal(func(e *Event) { e.Time++ })},
		{"leap second is the first of the next day", row("time", `"2016-12-31T23:59:60.5Z"`), minimal(func(e *Event) { e.Time = at(t, "2017-01-01T00:00:00.5Z") })},
		{"leap second in local time", row("time", `"2017-01-01T01:59:60+02:00"`), minimal(func(e *Event) { e.Time = at(t, "2017-01-01T00:00:00Z") })},
		{"integer time is milliseconds", row("time", "1782396007001"), minimal(func(e *Event) { e.Time += 1e6 })},
		{"integer time in another notation", row("time", "1.782396007e12"), minimal(nil)},
		{"earliest time", row("time", "100000000000"), minimal(func(e *Event) { e.Time = 1e11 * 1e6 })},
		{"latest time", row("time", `"2262-04-11T23:47:15.999999999Z"`), minimal(func(e *Event) { e.Time = 9223372035999999999 })},
		{"2106 is a time; the engine judges whether it is plausible", row("time", `"2106-02-07T06:28:15Z"`), minimal(func(e *Event) { e.Time = (1<<32 - 1) * 1e9 })},
		{"quota at its ends", row("quota_used", "1"), minimal(func(e *Event) { e.HasQuota, e.QuotaUsed = true, 1 })},
		{"quota zero is present", row("quota_used", "0.0"), minimal(func(e *Event) { e.HasQuota = true })},
		{"a usage object beside credits is an unknown field", row("usage", `{"input_tokens":3}`), minimal(nil)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustDecode(t, tt.line); got != tt.want {
				t.Errorf("Decode(%s)\ngot  %+v\nwant %+v", tt.line, got, tt.want)
			}
		})
	}
}

func TestDecodeSharesTheLine(t *testing.T) {
	line := row("plan", `"pro"`)
	e := mustDecode(t, line)
	if n := testing.AllocsPerRun(100, func() {
		var d Decoder
		if err := d.Decode(line, &e); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a row without escapes allocates %v times, want 0", n)
	}
}

func TestNewDecoder(t *testing.T) {
	for _, name := range []string{"auto", "native", ""} {
		if _, err := NewDecoder(name); err != nil {
			t.Errorf("NewDecoder(%q) = %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"otel":      `format "otel": no adapter yet; convert the records to the native form and use native or auto`,
		"openai":    `format "openai": no adapter yet; convert the records to the native form and use native or auto`,
		"xml\x1b[2": `format "xml\x1b[2" is unknown; use auto or native`,
	} {
		if _, err := NewDecoder(name); err == nil || err.Error() != want {
			t.Errorf("NewDecoder(%q) = %v, want %s", name, err, want)
		}
	}
}
