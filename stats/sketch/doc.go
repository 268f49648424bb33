// Package sketch holds distributions in fixed memory with a bounded relative error, so that partial ones can be added up
// over partitions, buckets of time and restarts.
//
// To forget, keep one sketch a period and merge those that still count: fading counts would no longer be whole numbers, and
// adding them up would depend on the order.
//
// It keeps counts only, never samples, and never rescales: adding up in any order gives the same bits. A sketch belongs to one
// goroutine at a time.
package sketch
