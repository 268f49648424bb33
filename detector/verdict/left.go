package verdict

import (
	"fmt"
	"slices"
)

// Left is which shares of the requests, the turns and the active user-hours of a scope are there where requests are lost one by one: a
// turn is while one of its requests is. Zero is unknown.
type Left struct{ Requests, Turns, Users float64 }

// explain holds factors against what the loss leaves of them. What is lost in one piece takes more of turns and users, and stays unexplained.
// Requests are told by conversations, not by how many they are.
func (l *Left) explain(incident string, factors []Factor) []Evidence {
	if l.Requests <= 0 || l.Users <= 0 {
		return nil
	}
	text := fmt.Sprintf("losing %s of requests, each by itself, leaves ", percent(1-l.Requests))
	of, each := l.Users, "an hour"
	if slices.ContainsFunc(factors, func(x Factor) bool { return x.Name == "turns" }) {
		text += percent(l.Turns) + " of turns and "
		of, each = l.Turns, "a turn"
	}
	text += fmt.Sprintf("%s of the hours in which users are active, x%.2g requests %s: ", percent(l.Users), l.Requests/of, each)
	d := doing{"users": l.Users, "turns": l.Turns / l.Users, "requests": l.Requests / of}
	_, said := d.explain(LostRows.Factor, incident, factors)
	if said == "" {
		return nil
	}
	return []Evidence{line("loss_leaves", text+said)}
}
