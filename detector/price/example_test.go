package price_test

import (
	"fmt"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
)

func ExampleBook_Quote() {
	book := price.NewBook([]price.Entry{{
		Model: "codex", Input: 1_250_000_000, Cached: 125_000_000, CacheWrite: 1_250_000_000, Output: 10 * event.Credit, Round: 1000,
	}}, nil)
	row := &event.Event{Input: 20_000, Cached: 18_000, Output: 400, HasTokens: true, Credits: 105_000_000}
	row.Dims[event.Model] = "codex"
	q := book.Quote(row)
	fmt.Println("expected", q.Expected, "charged", row.Credits, "off:", q.Off(row.Credits))
	// Output: expected 0.008750000 charged 0.105000000 off: true
}
