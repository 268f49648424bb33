package notify

import (
	"github.com/drainwatch/drainwatch/detector/incident"
)

// Route sends the alerts that match to some sinks. A match maps status, class, cause, severity or a dimension of the scope
// to the value it must have; an empty one matches everything.
type Route struct {
	Match map[string]string
	Sinks []string
}

// matches says whether a revision has all values that the route asks for.
func (rt *Route) matches(r *incident.Record) bool {
	for field, want := range rt.Match {
		got := r.Scope.Where[field]
		switch field {
		case "status":
			got = string(r.Status)
		case "class":
			got = r.Class
		case "cause":
			got = r.Cause
		case "severity":
			got = string(r.Severity)
		}
		if got != want {
			return false
		}
	}
	return true
}

// route returns the sinks that hear of a revision: those of the first route that matches, else all of them, for pages and
// tickets. An alert that no route names is not lost. What is on record only is sent by a route that asks for it by severity.
func route(routes []Route, all []string, r *incident.Record) []string {
	for i := range routes {
		if routes[i].matches(r) {
			if r.Severity == incident.Info && routes[i].Match["severity"] != string(incident.Info) {
				return nil
			}
			return routes[i].Sinks
		}
	}
	if r.Severity == incident.Info {
		return nil
	}
	return all
}
