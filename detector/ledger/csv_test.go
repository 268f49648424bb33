package ledger

import (
	"bytes"
	"encoding/csv"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The ledger is public interface: its bytes are in this file.
func TestCSVGolden(t *testing.T) {
	b := NewBooker([]Claim{claimOf(cohort.Over)})
	for i, u := range []string{"u2", "u1", "=cmd|'/c calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "a,b", `say "hi"`, "größe", "＝1+1"} {
		b.Add(row(func(it *cohort.Row) {
			flagged(cohort.Over)(it)
			it.Event.User, it.Event.Time = u, onset+int64(i)*1e8
			it.Event.Credits += event.Credits(i)
		}))
	}
	b.Add(row(flagged(cohort.Over)))
	rows := b.Results()["inc_1"].Rows
	under := Row{
		Incident: "inc_2", User: "u9", Rows: 3_000_000_000, Charged: sum("0.1"), Expected: sum("123456789012345678901.5"),
		FirstAt: time.Unix(0, onset).UTC(), LastAt: time.Unix(0, onset+1).UTC(),
	}
	var out bytes.Buffer
	if err := WriteCSV(&out, append(rows, under)); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/ledger.golden"
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%s differs; run with -update and review the diff. Got:\n%s", file, out.String())
	}
}

func TestCSVHeader(t *testing.T) {
	var out strings.Builder
	if err := WriteCSV(&out, nil); err != nil {
		t.Fatal(err)
	}
	if want := "incident,user,rows,charged_credits,expected_credits,overcharge_credits,first_at,last_at\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// Any user's name comes out as one cell that runs as nothing, and gives the name back.
func TestCSVNamesAreInert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.OneOf(rapid.String(), rapid.StringMatching("[=+\\-@\t\r\n＝＋－＠' ,\"][a-z=,\"\n]*")).Draw(t, "user")
		var out bytes.Buffer
		if err := WriteCSV(&out, []Row{{Incident: "inc_1", User: user}}); err != nil {
			t.Fatal(err)
		}
		all, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(all) != 2 || len(all[1]) != len(Header) {
			t.Fatalf("%q is read as %q: %v", user, all, err)
		}
		cell := all[1][1]
		if first := firstRune(cell); first != "" && strings.Contains("=+-@\t\r\n＝＋－＠", first) {
			t.Fatalf("%q begins with %q", cell, first)
		}
		// A reader of CSV takes a carriage return before a line feed for the end of a line.
		fold := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
		if cell != fold(user) && cell != "'"+fold(user) {
			t.Fatalf("%q comes back as %q", user, cell)
		}
	})
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestCSVSaysWhatFailed(t *testing.T) {
	for _, n := range []int{0, 10_000} {
		err := WriteCSV(full{}, make([]Row, n))
		if !errors.Is(err, errFull) || !strings.HasPrefix(err.Error(), "write ledger: ") {
			t.Errorf("%d rows on a full disk: %v", n, err)
		}
	}
}
