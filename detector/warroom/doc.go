// Package warroom owns what people and programs ask of a running detector: the HTTP API (/api/v1, described by
// openapi.json) and a plain page of the incidents.
//
// Handlers decode, call one method and encode. They read immutable snapshots (detector.Rollup, the booked ledger), the Board
// of alerts as they were said, and ask a shard for one user; none of them holds up the fold. What people add (acknowledgements,
// labels, notes) goes to the Journal, on disk before it is answered.
//
// An answer is to take 50 ms at most, at 2,000 combinations of dimension values that are busy in each five minutes of a day. Over
// HTTP, from the question to the last byte (make bench BENCH=AnswersOverHTTP), client, server and garbage collector work for an
// answer, at the median and in the slowest of a hundred:
//
//	cohorts of everybody, or by plan, 5 m steps     5 ms   10 ms
//	by three dimensions, 100 cohorts, 5 m steps    16 ms   44 ms
//	by four, which are 2,000 cohorts, 100 shown    22 ms   58 ms
//	incidents, 500 of them                          7 ms   13 ms
//	a user; the page                                1 ms    2 ms
//
// That is processor time, since the two cores were shared with up to twenty other programs, which made the slowest of a hundred
// of the widest questions 84 to 122 ms by the clock, and 7 to 10 ms of the first while there was room. The collector's part of
// it runs beside the answer.
//
// Nobody is authenticated, so the listener is for the machine itself, and a browser there is kept from being used by strangers:
// the Host header must name the machine (DNS rebinding), what changes something must be JSON (forms of other sites), and pages
// load nothing from anywhere. Errors are RFC 9457 problem documents; what the caller did wrong is never logged.
package warroom
