package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Left is which shares of the requests, the turns and the active user-hours of a scope are there where requests are lost one by one: a
// turn is while one of its requests is. Zero is unknown.
type Left struct{ Requests, Turns, Users float64 }

// explain holds factors against what the loss leaves of them. Turns and users that fell by more than is usual are the loss's own doing where they
// fell no further than that, by what like periods differ by; what is lost in one piece takes more of them, and stays unexplained. Requests
// that stand where it leaves them fell by the loss, though they might have by chance: it is told by conversations, not by how many they are.
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
	told, took := false, []string(nil)
	for i := range factors {
		x, due := &factors[i], 0.0
		switch x.Name {
		case "users":
			due = l.Users
		case "turns":
			due = l.Turns / l.Users
		case "requests":
			due = l.Requests / of
		default:
			continue
		}
		beyond := math.Log(x.Value / due)
		switch {
		case x.Value >= 1:
		case x.Name == "requests":
			x.Told = x.Usual() && math.Abs(beyond) <= 2*x.Spread
			told = x.Told
		case x.rank() == unusual && beyond >= -2*x.Spread:
			x.Of = incident
			took = append(took, x.Name)
		}
	}
	var said []string
	if told {
		said = append(said, "requests fell so, by what they differ by of themselves")
	}
	if len(took) > 0 {
		said = append(said, strings.Join(took, ", ")+" by no more")
	}
	if len(said) == 0 {
		return nil
	}
	return []Evidence{line("loss_leaves", text+strings.Join(said, "; "))}
}
