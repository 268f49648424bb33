package ledger

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Claim says which rows belong to an incident. Times are Unix nanoseconds.
type Claim struct {
	Incident string
	Where    cohort.Where
	User     string // only rows of this user; "" is everybody
	From, To int64  // first and last instant
	Since    int64  // from when on rows of a priced claim that are off to the unit may precede From; 0 is From

	// Rows that bear Flag are booked; or, if ByMeasure, all usage rows, against the user's own past of Measure.
	Flag      cohort.Flag
	ByMeasure bool
	Measure   cohort.Measure

	Fault *cohort.Fault // of rows that are charged too much: what multiplied them, if that is known

	// Short says that it is too little rather than too much, and Lost, if not 0, which share of the requests is missing at least.
	Short bool
	Lost  float64

	// Compare holds the users against themselves: their rows in Where against those in Before until it came to them; one User against all
	// the rows until then.
	Compare bool
	Before  cohort.Where

	// Pivot is the first affected row as far as is known; the rows of Around about it that could have been affected are returned. 0 asks
	// for none.
	Pivot  int64
	Around cohort.Where
	Odds   Odds

	Hindsight bool // a row tells of those before it, as Row.InHindsight says
}

// Result is what an incident comes to.
type Result struct {
	Rows          []Row
	Users         int
	Overcharge    event.Sum
	First, Last   int64 // event times of the first and last affected row; 0 without rows
	Charged       event.Sum
	ExpectedTotal event.Sum
	Inside        cohort.Cell      // of a claim by flag: all rows of its scope, in each partition from the first affected row to the last
	About         About            // of a claim with a Pivot
	From, To      int64            // between when and when it began, for who makes that of About; To 0 is unknown, From 0 before what was read
	Now, Before   verdict.Period   // of a Compare claim: the users that have a past, in it and before it, over the same time
	Unasked       verdict.Period   // and what of Now nobody asked for, of a claim about that
	Blends        [2]verdict.Blend // what they drew of each model in each plan: before, and in it
	Left          verdict.Left     // of a claim with Lost: what is there of what should be
	Like          []verdict.Period // and of one User what stretches like it drew before, the latest first
}
