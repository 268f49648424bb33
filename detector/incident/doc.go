// Package incident owns the life of an incident and the record that leaves the program: identity, revisions,
// grouping, severity. It does no IO and reads no clock; every function takes the time of the event.
package incident
