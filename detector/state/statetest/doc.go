// Package statetest holds the state of other packages to its word.
package statetest
