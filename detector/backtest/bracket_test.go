package backtest

import (
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// An interval is held against the moment of switching on, and against the first affected row, which may come long after.
func TestBracket(t *testing.T) {
	l := label("l", "metering_bug", "price", cohort("plan", "pro"), 30, 60)
	l.SparedAt = at(25)
	r := record("r", "metering_bug", "price", cohort("plan", "pro"), 30, 60)
	for _, c := range []struct {
		name               string
		onset, from, to    int // minutes
		stated, holds, hit bool
	}{
		{"both lie in it", 10, 5, 30, true, true, true},
		{"nobody was hit for long", 10, 20, 30, true, false, true},
		{"before the first affected row", 10, 5, 20, true, true, false},
		{"its ends belong to it", 20, 20, 30, true, true, true},
		{"not known when it was switched on", 0, 5, 30, true, false, true},
		{"not stated", 10, 0, 0, false, false, false},
	} {
		l.OnsetAt, r.Onset = time.Time{}, nil
		if c.onset != 0 {
			l.OnsetAt = at(c.onset)
		}
		if c.stated {
			r.Onset = &incident.Onset{From: at(c.from), To: at(c.to), Level: 0.95}
		}
		m := Compare([]Label{l}, []incident.Record{r}).Matches[0]
		if want := (Bracket{c.stated, c.holds, c.hit, time.Duration(c.to-c.from) * time.Minute, time.Duration(one(c.stated)) * 5 * time.Minute}); m.Bracket != want {
			t.Errorf("%s: %+v, want %+v", c.name, m.Bracket, want)
		}
		var card Card
		card.Add(Run{Score: Compare([]Label{l}, []incident.Record{r})})
		o := card.Total().Onset
		if known := one(c.onset != 0); o.Stated.Of != known || o.Stated.Hits != known*one(c.stated) || o.Holds.Hits != known*one(c.holds) || o.Width.N != known*one(c.stated) || o.Least.P50 != float64(300*o.Width.N) || o.Times.P50*300 != o.Width.P50 {
			t.Errorf("%s: on the card %+v", c.name, o)
		}
	}
}

// Which factor a record names is the one that moved most; only causes that move one are asked for it.
func TestFactorNamed(t *testing.T) {
	for _, c := range []struct {
		name, class, cause string
		ratio              float64
		factors            map[string]float64
		want               Splits
		usual              map[string]float64
	}{
		{"the cause's own", "metering_bug", "price", 12.4, map[string]float64{"price": 12.1, "requests": 1.02, "mix": 1.0047}, Splits{newShare(1, 1), 1e-3, newShare(1, 1), newShare(1, 1)}, nil},
		{"another", "client_bug", "request_loop", 3, map[string]float64{"requests": 1.5, "users": 2}, Splits{newShare(1, 1), 0, newShare(0, 1), newShare(0, 1)}, nil},
		{"downwards", "under_metering", "token_count", 0.5, map[string]float64{"tokens": 0.4, "users": 1.25}, Splits{newShare(1, 1), 1e-9, newShare(1, 1), newShare(1, 1)}, nil},
		{"counted right and charged thrice", "metering_bug", "token_count", 3, map[string]float64{"price": 2, "tokens": 1.5}, Splits{newShare(1, 1), 0, newShare(1, 1), newShare(1, 1)}, nil},
		{"beyond what comes and goes", "metering_bug", "price", 2.08, map[string]float64{"price": 1.3, "users": 1.6}, Splits{newShare(1, 1), 1e-9, newShare(1, 1), newShare(0, 1)}, map[string]float64{"users": 1.4}},
		{"nothing moved", "metering_bug", "price", 1, map[string]float64{"price": 1.01, "users": 1}, Splits{newShare(0, 1), 0.02, newShare(0, 1), newShare(0, 1)}, nil},
		{"a product that is not the ratio", "metering_bug", "price", 12, map[string]float64{"price": 12.2}, Splits{newShare(0, 1), 0.02, newShare(1, 1), newShare(1, 1)}, nil},
		{"a gauge moves no charge", "metering_bug", "window", 1, map[string]float64{"users": 1}, Splits{newShare(1, 1), 0, newShare(0, 0), newShare(0, 0)}, nil},
		{"a thief moves several", "abuse", "stolen_key", 4, map[string]float64{"turns": 2, "requests": 2}, Splits{newShare(1, 1), 0, newShare(0, 0), newShare(0, 0)}, nil},
		{"no past to compare with", "metering_bug", "price", 0, nil, Splits{newShare(0, 0), 0, newShare(0, 0), newShare(0, 0)}, nil},
	} {
		l, r := label("l", c.class, c.cause, cohort("plan", "pro"), 0, 60), record("r", c.class, c.cause, cohort("plan", "pro"), 0, 60)
		r.Usual = c.usual
		if r.Factors = c.factors; c.factors != nil {
			r.Ratio = &c.ratio
		}
		var card Card
		card.Add(Run{Score: Compare([]Label{l}, []incident.Record{r})})
		got := card.Total().Factors
		if got.Product != c.want.Product || got.Named != c.want.Named || got.Most != c.want.Most || got.OffMax > c.want.OffMax {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
