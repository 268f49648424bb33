// Package verdict owns what is said of a change: class and cause, the factors whose product is the ratio, and the evidence
// for and against. Its functions are pure; each carries its argument above it.
//
// To add a cause: add its row to the table in cause.go. Everything else reads that table.
package verdict
