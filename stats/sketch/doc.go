// Package sketch holds distributions in fixed memory with a bounded relative error, so that partial ones can be added up
// over partitions, buckets of time and restarts.
//
// It keeps counts only, never samples, and never rescales: adding up in any order gives the same bits. A sketch belongs to one
// goroutine at a time.
package sketch
