package event

import "testing"

// benchLine is a row as a metering service sends it: most dimensions and identities, no escapes, 430 bytes.
const benchLine = `{"id":"chg_01J1A7Q4W9X2","time":"2026-06-25T14:00:07.123Z","user":"usr_8f3a2c91","request_id":"req_77aa01",` +
	`"credits":0.01234567,"input_tokens":18234,"cached_tokens":16000,"output_tokens":812,"reasoning_tokens":240,` +
	`"plan":"pro","model":"gpt-5-codex","client":"codex-cli","client_version":"0.98.1","surface":"cli","region":"eu-west-1",` +
	`"meter":"m-2026-06-20","origin":"tool","turn_id":"turn_5521","price_id":"p-17","quota_used":0.42,"session":"s-991"}`

func BenchmarkDecode(b *testing.B) {
	escaped := with(benchLine, `"device":"caf\u00e9"`)
	for _, bb := range []struct{ name, line string }{
		{"row", benchLine},
		{"minimal", row()},
		{"escaped", escaped},
		{"refused", with(benchLine, `"user":"again"`)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var d Decoder
			var e Event
			b.SetBytes(int64(len(bb.line)))
			b.ReportAllocs()
			for b.Loop() {
				_ = d.Decode(bb.line, &e)
			}
		})
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e := mustDecode(b, benchLine)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = e.AppendJSON(dst[:0])
	}
}

func BenchmarkParseCredits(b *testing.B) {
	for _, s := range []string{"0.01234567", "0.1234567891234", "1e-3"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = ParseCredits(s)
			}
		})
	}
}
