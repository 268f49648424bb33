// Package warroom will own the HTTP API and the embedded screens of the war room. It holds no code yet.
//
// What will hold: handlers decode, call one method and encode; they read immutable snapshots and never touch the state of
// a shard or the fleet; nothing is loaded from another host; and a screen that is blind (lag, silence, skew) says so.
package warroom
