package ledger

import (
	"strings"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// sorts numbers what a claim's rows are of, in the order in which they came; its zero value is empty.
type sorts struct {
	list   []verdict.Sort
	known  map[verdict.Sort]uint16
	prices verdict.Blend // what the rows of the past tell of them
}

// mostSorts is how many plans' models are told apart: who sends a model of its own with every row tells nothing.
const mostSorts = 256

// number returns the number of a row's sort.
func (s *sorts) number(e *event.Event) uint16 {
	x := verdict.Sort{Plan: e.Dims[event.Plan], Model: e.Dims[event.Model]}
	n, ok := s.known[x]
	if ok {
		return n
	}
	if s.known == nil {
		s.known, s.prices = map[verdict.Sort]uint16{}, verdict.Blend{}
	}
	if x = (verdict.Sort{Plan: strings.Clone(x.Plan), Model: strings.Clone(x.Model)}); len(s.list) >= mostSorts {
		x = verdict.Sort{Plan: cohort.Other, Model: cohort.Other}
		if n, ok = s.known[x]; ok {
			return n
		}
	}
	n = uint16(len(s.list))
	s.list, s.known[x] = append(s.list, x), n
	return n
}

// drew is what an account drew of one sort, before the incident came to it and in it.
type drew struct {
	before, then verdict.Drawn
	sort         uint16
}

// of returns what the account drew of a sort, to be added to.
func (a *account) of(sort uint16) *drew {
	for i := range a.drew {
		if a.drew[i].sort == sort {
			return &a.drew[i]
		}
	}
	a.drew = append(a.drew, drew{sort: sort})
	return &a.drew[len(a.drew)-1]
}
