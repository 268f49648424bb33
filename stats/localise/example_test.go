package localise_test

import (
	"fmt"

	"github.com/drainwatch/drainwatch/stats/localise"
)

// Four rows by plan and region; only the first, plan 1 in region 1, is hit: 80 of 100 where 1 in 1000 is usual.
func ExampleSearch() {
	table := localise.Table{
		Codes: [][]uint32{{1, 1, 2, 2}, {1, 2, 1, 2}},
		Cards: []int{2, 2},
		Rows:  []localise.Sums{{80, 100}, {0, 100}, {0, 100}, {1, 100}},
	}
	best := localise.Search(table, localise.Binomial(0.001, 1), 2)[0]
	fmt.Println(best.Dims, best.Values, best.Sums[:2])
	// Output: [0 1] [1 1] [80 100]
}

// Plan 1 in region 1 came to more than twice what was predicted; the rest as predicted.
func ExampleCauses() {
	cube := localise.Cube{
		Cards:   []int{2, 2},
		Leaves:  [][]uint32{{1, 1}, {1, 2}, {2, 1}, {2, 2}},
		Predict: []float64{100.5, 80, 90, 70},
		Real:    []float64{240, 79, 91, 70},
	}
	answer, _ := localise.Causes(cube)
	fmt.Println(len(answer), answer[0].Values)
	// Output: 1 [1 1]
}
