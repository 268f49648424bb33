// Package localise finds the shortest description of the part of a table that changed: a conjunction of at most a few
// dimension values. It knows numbers only.
//
// It is an expectation-based scan (Neill, Expectation-based scan statistics for monitoring spatial time series, 2009)
// over conjunctions instead of circles: each candidate is scored by the likelihood of its rows under a rate of its own
// against the known background, less the length of its description.
package localise
