package detector

import (
	"bufio"
	"context"
	"fmt"
	"github.com/drainwatch/drainwatch/detector/incident"
	"os"
	"testing"
)

type zzOut struct{}

func (zzOut) Alert(_ context.Context, r incident.Record) error { return nil }
func (zzOut) DeadLetter(_ context.Context, d DeadLetter) error { return nil }
func TestZZ(t *testing.T) {
	p := os.Getenv("ZZ")
	if p == "" {
		t.Skip()
	}
	f, _ := os.Open(p)
	e, err := New(Options{}, zzOut{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.Assign(0)
	sc := bufio.NewScanner(f)
	sc.Buffer(make([]byte, 1<<20), 1<<20)
	var recs []Record
	off := int64(0)
	for sc.Scan() {
		recs = append(recs, Record{Offset: off, Value: sc.Text()})
		off++
		if len(recs) == 512 {
			if err := e.Feed(t.Context(), 0, recs); err != nil {
				t.Fatal(err)
			}
			recs = nil
		}
	}
	e.Feed(t.Context(), 0, recs)
	e.everyShard(t.Context(), func(s *shard) { s.finish() })
	e.inFleet(t.Context(), func(f *fleet) {
		for _, l := range f.lives {
			w, fresh := f.before(l)
			fmt.Println(l.Cause.Name, l.where, "before:", w, fresh, "onset", l.onset, "base", f.baseline(l).Credits, l.hit.Credits, l.inside.Credits.Float64())
		}
	})
	e.Close()
}
