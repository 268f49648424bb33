package price

import (
	"maps"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Rows that a value must have to be priced apart, and after which it is no longer tried.
const (
	partRows = 24
	partMost = 4 * partRows
)

// untried says whether a row's plan may have a price of its own that its rows, none of which held to the whole's, are too few to
// tell. Such rows are not judged: in a model that few use, a plan's first rows would be a fault.
func (l *learner) untried(e *event.Event) bool {
	plan := e.Dims[event.Plan]
	return plan != "" && l.plans() && l.parts[plan] == nil && !l.tried[plan] && len(l.tried) < maxPlans
}

// plans says whether plans may have prices of their own.
func (l *learner) plans() bool { return l.by == event.NumDims || l.by == event.Plan }

// try notes a row that was charged as the whole's price has it.
func (l *learner) try(e *event.Event) {
	if l.untried(e) && l.whole.obeyed(e) {
		l.hold(e.Dims[event.Plan])
	}
}

// hold holds a plan to the price of the whole from now on.
func (l *learner) hold(plan string) {
	tried := maps.Clone(l.tried)
	if tried == nil {
		tried = map[string]bool{}
	}
	tried[strings.Clone(plan)] = true
	l.tried = tried
}

// late takes a row of a plan that the sample held too few of to tell whether it has a price of its own, and tells when there
// are enough.
func (l *learner) late(e *event.Event) {
	plan := e.Dims[event.Plan]
	if !l.plans() || plan == "" || l.parts[plan] != nil || len(l.thin) >= maxPlans && l.thin[plan] == nil {
		return
	}
	if l.thin == nil {
		l.thin = map[string][]event.Event{}
		for v, rows := range l.groups(event.Plan) {
			l.thin[v] = slices.Clone(rows[:min(len(rows), partRows)])
		}
	}
	rows := l.thin[plan]
	if len(rows) >= partMost || len(rows) >= partRows && !l.untried(e) {
		return
	}
	rows = append(rows, keep(e))
	l.thin[rows[0].Dims[event.Plan]] = rows
	if len(rows)%partRows != 0 || l.whole.share(rows) >= apart {
		return
	}
	if f, s := fitSample(rows); f != nil && s >= fitShare {
		parts := maps.Clone(l.parts)
		if parts == nil {
			parts = map[string]*fit{}
		}
		parts[strings.Clone(plan)] = f
		l.by, l.parts = event.Plan, parts
	} else if len(rows) >= partMost {
		l.hold(plan)
	}
}
