// Package ledger owns who is owed what: it books the affected rows of incidents, exactly, in fixed point.
//
// A charged row is booked under one incident at most: of several that hold its price to be wrong, under the one that began first of
// those whose fault it bears. One that should not exist (a repeated charge, a failed request, a
// penalty) is booked whole, with nothing expected; any other against the price of its tokens. Client bugs are booked
// against each user's own past of the factor that moved, and are estimates.
//
// A Booker takes rows in any order and gives the same ledger. Two figures need rows nearly in order: turns are told apart while
// a user has at most four at a time, and the periods of a comparison end with the first row of the incident that comes. What a loss comes
// to is told from conversations, so the rows of a partition come in order there, and of many the first are enough. It does no IO and
// belongs to one goroutine.
package ledger
