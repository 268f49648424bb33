// Package dedupe owns the memory of which charge rows were counted: a row (user, id) counts once within a window of event time.
//
// # What is remembered
//
// A [Set] keeps, for the first arrival of every (user, id), an 8-byte fingerprint and a 4-byte hash of its content. The same pair
// again is a [Duplicate], with other content a [Conflict]; the first arrival stands and neither prolongs its life. Content
// covers the time of the row, so a conflict is found whatever time it claims: the lookup is by (user, id) alone.
//
// A row is filed under the hour in which the head, the greatest plausible event time, stood when it arrived, not under its own time. An
// hour (a 24th of another window) is forgotten as a whole once the head has left the 24th hour after it. So a row is remembered
// for at least the window and at most an hour more; a late row is not forgotten early, one from 2106 is not kept for eighty
// years, and an hour that is over never changes again, which is what a checkpoint of immutable parts needs. The caller advances the
// head with each plausible row before it adds that row.
//
// # How
//
// Entries stand in a log in the order of arrival, in blocks of 4,096, and forgetting moves the log's start. One index over the
// whole window finds an entry by fingerprint: 1,024 open-addressing tables of 8-byte slots (32 bits of the
// fingerprint, 32 of the log position), each of which is rebuilt by itself when it fills, dropping slots whose entries are
// gone. So an Add costs about one cache miss however many hours the window has, where a table or filter an
// hour would be asked 25 times, and growth never stalls: a rebuild touches a thousandth of the set. A row takes
// 12 bytes of log and 11 to 18 of index, 30 in all in the steady state, so the default cap holds nine million.
//
// # When memory ends
//
// Set.Stats().Bytes stays within MaxBytes. Where a block or a table would exceed it, the oldest block is forgotten before
// its time and its entries are counted in Overflowed: a redelivery of one of them would count twice, and the operator must know.
//
// # Errors
//
// Two rows with the same fingerprint would be taken for one: with n rows in the window a new row meets that fate with
// probability n/2^64, at ten million rows once in 1.8e12. A conflict passes for a duplicate with probability 2^-32; it is not counted either way.
// The hash is xxHash with fixed constants, since the same rows must give the same state on every machine. Whoever can choose ids
// freely can therefore construct two rows with one fingerprint, and so hide the second, which then shows as a conflict; or fill
// one table's run of slots, which is cut off at 2,048 slots (about two microseconds), the rows beyond it being
// counted as overflowed. Ids are minted by the metering service, so that is the producer's privilege, not a user's.
//
// # Concurrency and determinism
//
// A Set belongs to one goroutine. It reads no clock and draws no random numbers: verdicts and statistics are a function of the calls.
package dedupe
