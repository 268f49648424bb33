// Package dense keeps the state of many users in few bytes and without pointers, so that the collector has nothing to trace.
//
// An Index numbers users by the 64-bit hash of their id; what belongs to a number stands in a Column, if it has a fixed size, or
// in Pages, if not. The id itself is not kept: with n users two share a hash with probability n²/2^65, at two million 1e-7,
// and are one user from then on. That is by chance: who may choose ids as they like can make two that share a hash.
//
// Numbers and places depend on nothing but the calls, in their order. Nothing here is safe for concurrent use.
package dense
