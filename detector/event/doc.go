// Package event owns the charge row: its fields, its money and its wire form.
//
// An [Event] is one charge. [Decoder] reads it from the native JSON form, [Event.AppendJSON] writes that form,
// [Credits] and [Sum] hold money in fixed point. The package never does IO, reads no clock, keeps no state between records and
// logs nothing. It judges a record by itself: whether a row was seen before is dedupe's question, whether its time is plausible
// the engine's.
//
// # Decoding
//
// One pass over the text, without reflection. Strings of the event are parts of the line wherever they hold no
// escapes, so that a plain row allocates nothing; whoever keeps one past the record clones it.
// A Decoder is read-only and may be shared by goroutines. An [Event] belongs to whoever decodes into it.
//
// A record that breaks a rule is refused whole, with an [*Error] of one stable reason and one printable line. The first
// fault in the order of the text is named; faults between fields come last. Every doubt has one answer:
//
//	record           empty or white space (a tombstone)       empty
//	                 more than 1 MiB                          too_large; nothing of it is read
//	                 bytes that are no UTF-8, anywhere        utf8
//	                 byte order mark, trailing bytes, comments, raw control characters in strings, NaN, Infinity: json
//	                 a list of records, a bare scalar         type
//	                 the record nested deeper than 64         depth; the record itself counts as one
//	                 another format                           format, with auto only; see below
//	keys             a known field twice, escaped or null     duplicate_key: two readers would disagree about the money
//	                 unknown, any number of times             ignored, but must be JSON
//	                 another case (User)                      unknown
//	null             for an optional field                    absent
//	                 for a required one (id time user credits)  missing
//	strings          another JSON type, numbers included      type
//	                 longer than their bound                  length; counted in bytes, escapes resolved
//	                 half a surrogate pair (\ud800)           utf8; in unknown fields ignored
//	                 escaped control characters, markup, formulas, right-to-left marks: kept as they are; printers neutralise
//	id, user         empty                                    length
//	                 white space only, as Unicode has it      blank
//	                 \u0000 anywhere                          control
//	other strings    empty                                    absent; request_id is then id
//	kind, status     not in the list, or empty                range; names are lower case
//	origin           not in the list                          range; empty is unknown
//	tokens           12, 12.0, 1e3                            accepted: integral whatever the notation
//	                 1.5                                      number
//	                 below 0, above 2^53-1                    range
//	                 a part above its whole                   range; cached and cache_write each up to input, not their sum
//	                 no token field, or all null              HasTokens is false
//	numbers          1e400 in a known field                   number: no double holds it, so other readers fail on it
//	credits          number or decimal string, exponents too  exact; a string may also have a leading + and zeros
//	                 more than nine decimals                  rounded half to even at 1e-9: the noise of a float producer must not lose the row
//	                 beyond ±9,223,372,036.85                 credits
//	                 negative, unless refund or adjustment    credits
//	                 not 0 for a reset                        credits
//	time             integer                                  Unix milliseconds
//	                 1 to 1e11-1                              time_unit: it is seconds
//	                 0 and below, and past 2262               range; micro- and nanoseconds end here
//	                 a fraction                               number
//	                 string                                   RFC 3339, T and Z in either case, -00:00 is UTC
//	                 more than nine fractional digits, a space for the T, no offset, 30 February: time
//	                 second 60                                at 23:59 UTC on the last day of a month: the first second of the next day, as in Unix time; else time
//	                 before 1973-03-03, after 2262-04-11      range; the same bounds as in milliseconds
//	quota_used       below 0 or above 1                       range
//
// With auto, a record that fails as a native one is looked at once more: CloudEvents (specversion), OpenTelemetry (gen_ai.
// attributes or an export), LiteLLM (spend and startTime), OpenAI and Anthropic (a usage object) are refused by name, as long as no
// adapter reads them. A record with credits is native and gets its native fault.
//
// # Money
//
// [Credits] counts 1e-9 credit in 64 bits, [Sum] in 128. Text is converted digit by digit, never through a float, and
// what does not fit is an error. Float64 exists for statistics only.
package event
