// Package price owns what a row should have cost: the rate card where there is one, else list prices learned from
// the rows themselves, exactly, in fixed point.
//
// Prices are learned per model and token kind from rows that went well, never per meter, price list or experiment
// arm: a new one of those would teach its own fault. Where one price does not fit a model from the start (a plan or a
// pool with a price of its own), the sample is split by that dimension. A learned price is never unlearned: a change
// that nobody declared is a finding, not news. Rows that tell no price go on being sampled, but a sample is fitted only
// where it tells more than the last one did.
//
// A Book belongs to one goroutine. It reads no clock; quotes depend on the event's own time.
package price
