// Package state turns what the program knows into bytes and back: what a checkpoint is made of.
//
// A type says once, in a method Code, which of its fields are kept and in what order; a Coder that writes appends them, one that
// reads fills them in. So the two cannot disagree. The bytes depend on the values alone: maps are written in the order of their
// keys. Code is read by a program of the same layout only, which the header of Append says; what is not kept is named by the
// tests of the type's package (statetest.Kept), so that a field cannot be forgotten.
//
// Whatever bytes are read, the answer is a value or an error that says what could not be read and where: lengths are checked
// against the bytes that are left before anything is allocated for them.
package state
