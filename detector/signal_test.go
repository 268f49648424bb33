package detector

import (
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// Whatever stands in the log, the answer is a signal that is written as it was read, or an error; and whatever a closing's body holds, one
// or an error.
func FuzzSignal(f *testing.F) {
	said := Signal{Kind: SignalClosing, Partition: 2, Owner: "a/1", Term: 3, Seq: 7, Offset: 99, Parts: 1}
	c := closing{partition: 2, upTo: 10, cells: []cellAt{{leaf: &cohort.Leaf{}, at: 0, cell: &cohort.Cell{Rows: 1}}}}
	said.Body, _ = lexicon{}.encode(&c)
	for _, s := range []Signal{said, {Kind: SignalClaim, Partition: Everybody, Owner: "b/1", Term: 1}} {
		f.Add(s.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		var s Signal
		if s.Parse(record) != nil {
			return
		}
		if again := s.AppendBinary(nil); !slices.Equal(again, record) {
			var twice Signal
			if err := twice.Parse(again); err != nil {
				t.Fatalf("what was read cannot be read again: %v", err)
			}
		}
		var r Register
		_, _ = r.Hear(&s)
		var c closing
		_, _ = c.decode(s.Body, nil, func(l *cohort.Leaf) *cohort.Leaf { return l })
	})
}

// A long body comes in parts, which count together, once.
func TestSignalInParts(t *testing.T) {
	s := Signal{Kind: SignalClosing, Owner: "a", Term: 1, Seq: 1, Body: []byte("0123456789")}
	var r Register
	if heard, err := r.Hear(&Signal{Kind: SignalClaim, Owner: "a", Term: 1}); heard != Whole || err != nil {
		t.Fatalf("a first claim: %v, %v", heard, err)
	}
	parts := s.parts(4)
	var body []byte
	for i, want := range []Hearing{Partial, Partial, Whole} {
		if heard, err := r.Hear(&parts[i]); heard != want || err != nil {
			t.Errorf("part %d: %v, %v", i, heard, err)
		}
		if heard, err := r.Hear(&parts[i]); heard != Void || err != nil {
			t.Errorf("part %d again: %v, %v", i, heard, err)
		}
		body = append(body, parts[i].Body...)
	}
	if string(body) != string(s.Body) || r.Of(0).Said != 1 {
		t.Errorf("%q of %d parts; %+v", body, len(parts), r.Of(0))
	}
	s.Seq = 3
	if _, err := r.Hear(&s.parts(100)[0]); err == nil {
		t.Error("a gap is not noticed")
	}
}
