package backtest

import (
	"strings"
	"testing"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Each row is what one incident or two say, revision by revision: F fires, R is resolved, M is merged into a; the severity follows.
func TestHear(t *testing.T) {
	for why, c := range map[string]struct {
		said string // incident:status:severity
		want Heard
	}{
		"a page is one page":                                {"a:F:page a:F:page a:R:page", Heard{1, 0, 1, 3}},
		"a ticket that turns into a page is both":           {"a:F:ticket a:F:page a:R:page", Heard{1, 1, 1, 3}},
		"who is woken when it comes back is woken again":    {"a:F:page a:R:page a:F:page", Heard{2, 0, 1, 3}},
		"what is said after the end wakes nobody":           {"a:F:page a:R:page a:R:page", Heard{1, 0, 1, 3}},
		"two that were one are heard twice":                 {"a:F:page b:F:page b:M:page a:R:page", Heard{2, 0, 2, 2}},
		"also through a third":                              {"a:F:page b:F:ticket c:F:ticket c:N:ticket b:M:ticket", Heard{1, 2, 3, 2}},
		"another incident is another's":                     {"a:F:ticket b:F:page b:R:page", Heard{0, 1, 1, 1}},
		"an info is told nobody":                            {"a:F:info a:R:info", Heard{0, 0, 1, 2}},
		"an info that turns into a ticket is a ticket":      {"a:F:info a:F:ticket", Heard{0, 1, 1, 2}},
		"a page that comes back as a ticket is not as loud": {"a:F:page a:R:page a:F:ticket", Heard{1, 1, 1, 3}},
	} {
		var said []incident.Record
		for word := range strings.FieldsSeq(c.said) {
			w := strings.Split(word, ":")
			r := incident.Record{Incident: w[0], Status: incident.Resolved, Severity: incident.Severity(w[2])}
			switch into := map[string]string{"M": "a", "N": "b"}[w[1]]; {
			case w[1] == "F":
				r.Status = incident.Firing
			case into != "":
				r.MergedInto = &into
			}
			said = append(said, r)
		}
		s := Score{Matches: []Match{{Record: incident.Record{Incident: "a"}}}}
		s.Hear(said)
		if got := s.Matches[0].Heard; got != c.want {
			t.Errorf("%s: %+v, want %+v", why, got, c.want)
		}
	}
	a, b := "a", "b"
	circle := Score{Matches: []Match{{Record: incident.Record{Incident: "a"}}}}
	circle.Hear([]incident.Record{{Incident: "a", MergedInto: &b}, {Incident: "b", MergedInto: &a}}) // ends
}
