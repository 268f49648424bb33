package cohort_test

import (
	"fmt"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Two leaves, one of which shows rows that were charged too much.
func ExampleStore() {
	leaves, store := cohort.NewLeaves(), cohort.NewStore()
	const at = int64(1_782_396_000e9)
	store.Head(at)
	for _, region := range []string{"eu-west-1", "us-east-1"} {
		leaf := leaves.Of(&[event.NumDims]string{event.Plan: "pro", event.Region: region})
		cell := &cohort.Cell{Rows: 100, PricedRows: 100}
		if region == "eu-west-1" {
			cell.OffOf(cohort.Over).Rows = 97
		}
		store.Add(store.Series(leaf, at), at, cell)
	}
	eu := cohort.NewWhere(cohort.Cond{Dim: event.Region, Value: "eu-west-1"})
	sum := store.Sum(eu, at, at+cohort.Tick)
	fmt.Println(eu, sum.Flagged(cohort.Over).Rows, "of", sum.Opportunities(cohort.Over))
	fmt.Println(store.Value(event.Plan, "pro").Since(cohort.Over, at).Rows, "of plan pro")
	// Output:
	// region=eu-west-1 97 of 100
	// 97 of plan pro
}
