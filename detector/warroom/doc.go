// Package warroom owns what people and programs ask of a running detector: the HTTP API (/api/v1, described by
// openapi.json) and a plain page of the incidents.
//
// Handlers decode, call one method and encode. They read immutable snapshots (detector.Rollup, the booked ledger), the Board
// of alerts as they were said, and ask a shard for one user; none of them holds up the fold. What people add (acknowledgements,
// labels, notes) goes to the Journal, in the log that instances share before it is answered.
//
// An answer is to take 50 ms at most, at 2,000 combinations of dimension values that are busy in each five minutes of a day. Over
// HTTP, from the question to the last byte (make bench BENCH=AnswersOverHTTP), it takes by the clock, on two cores with nothing
// else to do, at the median and in the slowest of a hundred:
//
//	cohorts of everybody, or by plan, 5 m steps     5 ms   10 ms
//	by three dimensions, 100 cohorts, 5 m steps    12 ms   29 ms
//	by four, which are 2,000 cohorts, 100 shown    18 ms   36 ms
//	incidents, 500 of them                          4 ms    7 ms
//	a user; the page                                1 ms    2 ms
//
// With twenty other programs on the same cores, the slowest of a hundred of the widest questions took 122 ms.
//
// Nobody is authenticated, so the listener is for the machine itself, and a browser there is kept from being used by strangers:
// the Host header must name the machine (DNS rebinding), what changes something must be JSON (forms of other sites), and pages
// load nothing from anywhere. Errors are RFC 9457 problem documents; what the caller did wrong is never logged.
package warroom
