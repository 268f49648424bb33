package ledger

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Header is the first line of a ledger.
var Header = []string{"incident", "user", "rows", "charged_credits", "expected_credits", "overcharge_credits", "first_at", "last_at"}

// WriteCSV writes rows, in their order, as the contract's ledger.
func WriteCSV(w io.Writer, rows []Row) error {
	buf := bufio.NewWriter(w)
	c := csv.NewWriter(buf)
	if err := c.Write(Header); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	for _, r := range rows {
		err := c.Write([]string{
			Neutral(r.Incident), Neutral(r.User), strconv.FormatInt(r.Rows, 10), r.Charged.String(), r.Expected.String(), r.Overcharge().String(),
			r.FirstAt.Format(time.RFC3339Nano), r.LastAt.Format(time.RFC3339Nano),
		})
		if err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	if err := buf.Flush(); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// Neutral returns text that no spreadsheet runs as a formula: a cell that begins like one gets a quote before it. Signs of
// full width count too: some tables fold them into plain ones.
func Neutral(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + s
	}
	return s
}
