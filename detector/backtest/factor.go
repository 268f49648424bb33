package backtest

import (
	"maps"
	"math"
	"slices"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// Factors is what the split of a record's ratio is worth.
type Factors struct {
	Stated bool    // there is one
	Off    float64 // their product over the ratio, less 1
	Asked  bool    // the true cause is a bug's that moves a factor of the charges,
	Named  bool    // and that one is named: it moved most, beyond what is usual and what other incidents explain (incident.Record.Moved)
	Most   bool    // and that one moved most as a plain quotient, in rows few or many
}

// factorClasses are the classes whose causes move one factor; what people and thieves do moves several.
var factorClasses = []string{"metering_bug", "client_bug", "under_metering"}

func factors(l *Label, r *incident.Record) Factors {
	if r.Ratio == nil || len(r.Factors) == 0 {
		return Factors{}
	}
	f := Factors{Stated: true}
	product, most, strongest := 1.0, "", 0.02
	for _, name := range slices.Sorted(maps.Keys(r.Factors)) {
		product *= r.Factors[name]
		if m := math.Abs(math.Log(r.Factors[name])); m > strongest {
			most, strongest = name, m
		}
	}
	if product != *r.Ratio {
		f.Off = product / *r.Ratio - 1
	}
	want := incident.FactorOf(l.Class, l.Cause)
	if l.Class == "metering_bug" && l.Cause == "token_count" && !l.Estimate {
		want = "price" // the rows tell what they should have cost: their tokens are counted right, and what is charged is not theirs
	}
	f.Asked = want != "" && slices.Contains(factorClasses, l.Class)
	f.Named = f.Asked && r.Moved() == want
	f.Most = f.Asked && most == want
	return f
}

// Splits are the figures of stated factors. They marshal to JSON.
type Splits struct {
	Product Share   `json:"product_is_ratio"` // of the records with factors, those whose product is the ratio within 1%
	OffMax  float64 `json:"product_off_max"`
	Named   Share   `json:"factor_named"` // of the bugs that move a factor, those of which the record names that one
	Most    Share   `json:"factor_most"`  // and those of which that one moved most as a plain quotient
}

// splits gathers Splits.
type splits struct {
	stated, within, asked, named, most int
	off                                float64
}

func (s *splits) add(m *Match) {
	f := &m.Factor
	if !f.Stated {
		return
	}
	s.stated++
	s.within += one(math.Abs(f.Off) <= 0.01)
	s.off = max(s.off, min(math.Abs(f.Off), math.MaxFloat64)) // JSON has no infinity
	s.asked += one(f.Asked)
	s.named += one(f.Named)
	s.most += one(f.Most)
}

func (s *splits) figures() Splits {
	return Splits{newShare(s.within, s.stated), s.off, newShare(s.named, s.asked), newShare(s.most, s.asked)}
}
