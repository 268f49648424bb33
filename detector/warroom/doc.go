// Package warroom owns what people and programs ask of a running detector: the HTTP API (/api/v1, described by
// openapi.json) and a plain page of the incidents.
//
// Handlers decode, call one method and encode. They read immutable snapshots (detector.Rollup, the booked ledger), the Board
// of alerts as they were said, and ask a shard for one user; none of them holds up the fold. What people add (acknowledgements,
// labels, notes) goes to the Journal, on disk before it is answered.
//
// Nobody is authenticated, so the listener is for the machine itself, and a browser there is kept from being used by strangers:
// the Host header must name the machine (DNS rebinding), what changes something must be JSON (forms of other sites), and pages
// load nothing from anywhere. Errors are RFC 9457 problem documents; what the caller did wrong is never logged.
package warroom
