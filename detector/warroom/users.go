package warroom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// usage is what a user drew. Rates of a pace, not exact to the last digit: the ledger is.
type usage struct {
	Credits     float64 `json:"credits"`
	ListCredits float64 `json:"list_credits"`
	Rows        float64 `json:"rows"`
	Requests    float64 `json:"requests"`
	Turns       float64 `json:"turns"`
	Input       float64 `json:"input_tokens"`
	Cached      float64 `json:"cached_tokens"`
	Output      float64 `json:"output_tokens"`
	Failures    float64 `json:"failures"`
	Penalties   float64 `json:"penalties"`
}

// lately is the part of usage that is kept of the last hours.
type lately struct {
	Credits  float64 `json:"credits"`
	Rows     float64 `json:"rows"`
	Requests float64 `json:"requests"`
}

type userUsage struct {
	Today usage  `json:"today"`       // of the UTC day
	Five  lately `json:"recent_5h"`   // decayed, with a half-life of five hours
	Week  usage  `json:"recent_week"` // today and the past, scaled to some seven days
}

type userBaseline struct {
	Days   float64 `json:"days"`              // that the past stands on
	Active float64 `json:"active_buckets"`    // ten minutes with rows that it stands on
	Bucket usage   `json:"an_active_bucket"`  // usual over ten minutes with rows
	Day    usage   `json:"a_day"`             // usual over a day
	Held   bool    `json:"learning_held"`     // evidence stands, so nothing is learned
	Volume float64 `json:"volume_nats"`       // evidence that more is drawn than usual
	Novel  float64 `json:"new_identity_nats"` // the same by identities first seen within a day
}

type userIdentities struct {
	Kind   string `json:"kind"`
	Active int    `json:"active_within_day"`
	Fresh  int    `json:"first_seen_within_day"`
}

type userWindow struct {
	Name    string     `json:"name"`
	Budget  float64    `json:"budget_credits"`
	Used    float64    `json:"used_share"`
	PerHour float64    `json:"credits_per_hour"`
	Left    *float64   `json:"exhausted_in_seconds"` // at that pace; null for never
	Ends    *time.Time `json:"ends"`                 // null for a balance without a window
	Dry     bool       `json:"runs_dry_early"`
}

type userIncident struct {
	Incident   string     `json:"incident"`
	Status     string     `json:"status"`
	Class      string     `json:"class"`
	Cause      string     `json:"cause"`
	Severity   string     `json:"severity"`
	StartedAt  time.Time  `json:"started_at"`
	Headline   string     `json:"headline"`
	Overcharge *event.Sum `json:"overcharge_credits"` // this user's; null where nothing is booked
}

type userAnswer struct {
	User       string            `json:"user"`
	Cohort     map[string]string `json:"cohort"` // dimensions of the latest charge
	FirstAt    *time.Time        `json:"first_at"`
	LastAt     *time.Time        `json:"last_at"`
	Created    *time.Time        `json:"account_created_at"`
	Usage      userUsage         `json:"usage"`
	Baseline   userBaseline      `json:"baseline"`
	AwakeHours int               `json:"active_hours_of_24"`
	Identities []userIdentities  `json:"identities"` // counted, never named
	Windows    []userWindow      `json:"windows"`
	Incidents  []userIncident    `json:"incidents"` // the youngest first
	AsOf       time.Time         `json:"as_of"`
}

func (s *Server) user(w http.ResponseWriter, r *http.Request) error {
	p, err := readParams(r)
	if err == nil {
		err = p.done()
	}
	if err != nil {
		return err
	}
	name := r.PathValue("user")
	if len(name) > maxUser {
		return newProblem(http.StatusBadRequest, fmt.Sprintf("the user has %d bytes; no user has more than %d", len(name), maxUser))
	}
	e := s.o.Engine()
	if e == nil {
		return notReady("no rows have been read yet; /readyz says what the program waits for")
	}
	ctx, cancel := context.WithTimeout(r.Context(), userDeadline)
	defer cancel()
	x, found, err := e.User(ctx, name)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return notReady(fmt.Sprintf("the user's partition is busy and did not answer within %v; try again", userDeadline))
	}
	if err != nil {
		return err
	}
	if !found {
		return newProblem(http.StatusNotFound, fmt.Sprintf("there is no user %s in what was read; user ids are exact, and those silent for longest are forgotten for room", quoted(name)))
	}
	a := userOf(name, &x)
	a.Incidents = s.incidentsOf(e, name)
	write(w, http.StatusOK, "application/json", a)
	return nil
}

func userOf(name string, x *detector.UserState) *userAnswer {
	v := &x.Profile
	at := func(ns int64) *time.Time {
		if ns == 0 {
			return nil
		}
		t := time.Unix(0, ns).UTC()
		return &t
	}
	a := &userAnswer{
		User: name, Cohort: map[string]string{}, FirstAt: at(v.FirstAt), LastAt: at(v.LastAt), Created: at(v.Created),
		Usage: userUsage{usageOf(&v.Today), latelyOf(&v.Short), usageOf(&v.Long)},
		Baseline: userBaseline{
			Days: v.PastDays, Active: v.PastBuckets, Bucket: usageOf(&v.Usual), Day: usageOf(&v.UsualDay), Held: v.Held, Volume: v.Volume, Novel: v.Novel,
		},
		AwakeHours: v.AwakeHours, Identities: []userIdentities{}, Windows: []userWindow{}, AsOf: time.Unix(0, x.At).UTC(),
	}
	for d, value := range x.Values {
		if value != "" {
			a.Cohort[event.Dim(d).String()] = value
		}
	}
	for _, k := range v.Seen {
		a.Identities = append(a.Identities, userIdentities{k.Kind, k.Active, k.Fresh})
	}
	for _, b := range x.Windows.Budgets() {
		u := userWindow{Name: b.Name, Budget: b.Budget, Used: b.Used, PerHour: b.Fast, Dry: b.Dry}
		if left, ever := b.Remaining(); ever {
			sec := left.Seconds()
			u.Left = &sec
		}
		if !b.Ends.IsZero() {
			u.Ends = &b.Ends
		}
		a.Windows = append(a.Windows, u)
	}
	return a
}

// incidentsOf lists the incidents that name a user, or that the user is owed for.
func (s *Server) incidentsOf(e *detector.Engine, user string) []userIncident {
	owed := map[string]event.Sum{}
	for _, b := range e.Ledger() {
		if b.User == user {
			owed[b.Incident] = b.Overcharge()
		}
	}
	out := []userIncident{}
	found, _ := s.o.Board.list(&incidentFilter{limit: maxIncidents})
	for i := range found {
		r := &found[i].latest
		over, booked := owed[r.Incident]
		if !booked && r.Scope.User != user && !slices.Contains(r.Scope.Users, user) {
			continue
		}
		x := userIncident{
			Incident: r.Incident, Status: string(r.Status), Class: r.Class, Cause: r.Cause, Severity: string(r.Severity), StartedAt: r.StartedAt,
			Headline: incident.Headline(r),
		}
		if booked {
			x.Overcharge = &over
		}
		out = append(out, x)
	}
	return out
}

func usageOf(c *detector.Usage) usage {
	return usage{
		Credits: float64(c.Credits), ListCredits: float64(c.List), Rows: float64(c.Rows), Requests: float64(c.Requests), Turns: float64(c.Turns),
		Input: float64(c.Input), Cached: float64(c.Cached), Output: float64(c.Output), Failures: float64(c.Failures), Penalties: float64(c.Penalties),
	}
}

func latelyOf(c *detector.Usage) lately {
	return lately{float64(c.Credits), float64(c.Rows), float64(c.Requests)}
}
