// Command drainwatch watches a stream of usage charges and tells metering bugs, client bugs, abuse and
// organic growth apart.
//
// The package owns the command line: one file a subcommand, the configuration file with its layers, and the
// translation of both into the Options of the packages that do the work. It holds no detection logic, and no
// other package imports it.
//
// Invariants: results go to standard output, everything else to standard error; an error is one line that says
// what failed, on what, and what to do; the exit status is 0 (done), 1 (failed while running), 2 (the command
// line or the configuration is wrong) or 3 (a bar was missed). File outputs appear whole or not at all.
//
// Concurrency: Execute may be called several times in one process, also at once; it keeps no global state. It
// returns only after everything it started has stopped.
package main
