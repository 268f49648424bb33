// Package decompose splits the change of a product into what each of its factors contributed, without a remainder
// and without depending on the order of the factors (LMDI); and the change of a sum of products into an index for each (Index).
//
// It knows neither what the factors are nor how they were measured, keeps no state, and is safe for concurrent use.
package decompose
