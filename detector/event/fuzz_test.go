package event

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzDecode holds the decoder against the same rules written over encoding/json, time and math/big: they
// must agree on whether a record is good, and on every value of a good one.
func FuzzDecode(f *testing.F) {
	for _, tt := range faults {
		if len(tt.line) < 2000 {
			f.Add(tt.line)
		}
	}
	f.Add(benchLine)
	f.Add(row("kind", `"reset"`, "credits", "0e9", "x", `{"a":[[],{}]}`))
	f.Add(row("time", `"2016-12-31T23:59:60.5+00:00"`, "cached_tokens", "1e0", "input_tokens", "10e-1"))
	f.Add(row("quota_used", "1e-400", "plan", `"\u00e9\ud83d\ude00\\ud800"`))
	f.Fuzz(func(t *testing.T, line string) {
		var d Decoder
		var got Event
		err := d.Decode(line, &got)
		want, ok := reference(line)
		if ok != (err == nil) {
			t.Fatalf("Decode(%q) = %v, but the reference accepts: %v", line, err, ok)
		}
		if got != want {
			t.Fatalf("Decode(%q)\ngot  %+v\nwant %+v", line, got, want)
		}
		if err != nil {
			return
		}
		var back Event
		again := string(got.AppendJSON(nil))
		if err := d.Decode(again, &back); err != nil || back != got {
			t.Fatalf("%q is encoded as %s, which decodes to\n     %+v, %v\nwant %+v", line, again, back, err, got)
		}
	})
}

// reference decodes by encoding/json. It shares the names of fields and the bounds with the code under test, nothing else.
func reference(line string) (Event, bool) {
	if len(line) > MaxRecord || !utf8.ValidString(line) || !json.Valid([]byte(line)) {
		return Event{}, false
	}
	members, ok := topLevel(line)
	if !ok {
		return Event{}, false
	}
	r := referee{members: members, ok: true}
	var e Event
	e.ID = r.name("id", 128)
	e.User = r.name("user", 256)
	e.Time = r.time("time")
	e.Credits = r.credits()
	for _, required := range []string{"id", "user", "time", "credits"} {
		r.require(members[required] != nil)
	}
	e.RequestID = r.text("request_id", 1024)
	if e.RequestID == "" {
		e.RequestID = e.ID
	}
	e.Kind = Kind(r.choice("kind", "usage", "penalty", "adjustment", "refund", "reset"))
	e.Status = Status(r.choice("status", "ok", "rate_limited", "error"))
	for name, dst := range map[string]*int64{
		"input_tokens": &e.Input, "cached_tokens": &e.Cached, "cache_write_tokens": &e.CacheWrite,
		"output_tokens": &e.Output, "reasoning_tokens": &e.Reasoning,
	} {
		*dst = r.whole(name)
		r.require(*dst >= 0)
		e.HasTokens = e.HasTokens || members[name] != nil
	}
	r.require(e.Cached <= e.Input && e.CacheWrite <= e.Input && e.Reasoning <= e.Output)
	for d := range NumDims {
		e.Dims[d] = r.text(d.String(), 128)
	}
	r.choice("origin", "", "user", "tool", "subagent", "background", "auto_review", "compaction", "retry")
	e.Reason = r.text("reason", 128)
	for name, dst := range map[string]*string{
		"turn_id": &e.TurnID, "enforcement": &e.Enforcement, "session": &e.Session, "device": &e.Device,
		"ip": &e.IP, "asn": &e.ASN, "country": &e.Country, "api_key": &e.APIKey,
	} {
		*dst = r.text(name, 1024)
	}
	e.AccountCreated = r.time("account_created_at")
	e.QuotaResets = r.time("quota_resets_at")
	if raw := members["quota_used"]; raw != nil {
		r.require(json.Unmarshal(raw, &e.QuotaUsed) == nil && e.QuotaUsed >= 0 && e.QuotaUsed <= 1)
		e.HasQuota = true
	}
	r.require(e.Credits >= 0 || e.Kind == Refund || e.Kind == Adjustment)
	r.require(e.Credits == 0 || e.Kind != Reset)
	if !r.ok {
		return Event{}, false
	}
	return e, true
}

// topLevel splits an object into its known members. Null becomes nil.
func topLevel(line string) (map[string]json.RawMessage, bool) {
	depth := 0
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	for {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > 64 {
				return nil, false
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	dec = json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, false
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, false
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return nil, false
		}
		name := key.(string)
		if !slices.Contains(wireNames, name) {
			continue
		}
		if _, twice := members[name]; twice {
			return nil, false
		}
		if members[name] = raw; bytes.Equal(raw, []byte("null")) {
			members[name] = nil
		}
	}
	return members, true
}

var wireNames = strings.Fields(`id time user request_id kind status credits input_tokens cached_tokens cache_write_tokens output_tokens
	reasoning_tokens org plan model client client_version surface region meter experiment origin turn_id price_id pool reason enforcement
	account_created_at quota_used quota_resets_at session device ip asn country api_key`)

type referee struct {
	members map[string]json.RawMessage
	ok      bool
}

func (r *referee) require(ok bool) { r.ok = r.ok && ok }

var escapes = regexp.MustCompile(`\\(?:u[0-9a-fA-F]{4}|.)`)

// string reads a JSON string in which every surrogate has its other half.
func (r *referee) string(raw json.RawMessage) (s string) {
	r.require(raw[0] == '"' && json.Unmarshal(raw, &s) == nil)
	half := func(esc []byte, from, to uint64) bool {
		n, err := strconv.ParseUint(string(esc[2:]), 16, 16)
		return esc[1] == 'u' && err == nil && n >= from && n < to
	}
	spans := escapes.FindAllIndex(raw, -1)
	for i := 0; i < len(spans); i++ {
		esc := raw[spans[i][0]:spans[i][1]]
		r.require(!half(esc, 0xdc00, 0xe000))
		if half(esc, 0xd800, 0xdc00) {
			i++
			if i == len(spans) || spans[i][0] != spans[i-1][1] || !half(raw[spans[i][0]:spans[i][1]], 0xdc00, 0xe000) {
				r.ok = false
				return ""
			}
		}
	}
	return s
}

func (r *referee) text(name string, most int) string {
	raw := r.members[name]
	if raw == nil {
		return ""
	}
	s := r.string(raw)
	r.require(len(s) <= most)
	return s
}

func (r *referee) name(name string, most int) string {
	s := r.text(name, most)
	r.require(strings.TrimSpace(s) != "" && !strings.Contains(s, "\x00"))
	return s
}

func (r *referee) choice(name string, values ...string) int {
	raw := r.members[name]
	if raw == nil {
		return 0
	}
	i := slices.Index(values, r.string(raw))
	r.require(i >= 0)
	return max(i, 0)
}

func (r *referee) whole(name string) int64 {
	raw := r.members[name]
	if raw == nil {
		return 0
	}
	units, exact := exactUnits(string(raw), 0)
	ok := units != nil && exact && units.CmpAbs(big.NewInt(1<<53-1)) <= 0
	r.require(ok)
	if !ok {
		return 0
	}
	return units.Int64()
}

func (r *referee) credits() Credits {
	raw := r.members["credits"]
	if raw == nil {
		return 0
	}
	s := string(raw)
	if raw[0] == '"' {
		s = r.string(raw)
	}
	units, _ := exactUnits(s, 9)
	ok := units != nil && units.IsInt64()
	r.require(ok)
	if !ok {
		return 0
	}
	return Credits(units.Int64())
}

var leap = regexp.MustCompile(`^(.{17})60(.*)$`)

func (r *referee) time(name string) int64 {
	raw := r.members[name]
	if raw == nil {
		return 0
	}
	var at time.Time
	if raw[0] == '"' {
		s := strings.ToUpper(r.string(raw))
		m := leap.FindStringSubmatch(s)
		if m != nil {
			s = m[1] + "59" + m[2]
		}
		r.require(strict.MatchString(s) && at.UnmarshalText([]byte(s)) == nil)
		if m != nil {
			u := at.UTC()
			r.require(u.Hour() == 23 && u.Minute() == 59 && u.AddDate(0, 0, 1).Day() == 1)
			at = at.Add(time.Second)
		}
	} else {
		at = time.UnixMilli(r.whole(name))
	}
	r.require(at.Unix() >= 1e8 && at.Unix() < math.MaxInt64/1_000_000_000)
	return at.UnixNano()
}

// strict is what package time takes beyond RFC 3339: one-digit hours, commas, any number of fractional digits.
var strict = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$`)
