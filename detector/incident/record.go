package incident

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Status is what people see of an incident.
type Status string

// The two states that leave the program.
const (
	Firing   Status = "firing"
	Resolved Status = "resolved"
)

// Severity says who is told, and when.
type Severity string

// Severities, from quiet to loud.
const (
	Info   Severity = "info"
	Ticket Severity = "ticket"
	Page   Severity = "page"
)

// Scope says whom an incident hits. Exactly one of the three kinds is set.
type Scope struct {
	Kind     string            `json:"kind"` // cohort, user or users
	Where    map[string]string `json:"where,omitzero"`
	User     string            `json:"user,omitempty"`
	Users    []string          `json:"users,omitempty"`
	LinkedBy string            `json:"linked_by,omitempty"`
}

// Evidence is one line for or against a verdict.
type Evidence = verdict.Evidence

// Record is the alert record, version 1: one revision of one incident.
type Record struct {
	V              int                `json:"v"`
	Incident       string             `json:"incident"`
	Revision       int                `json:"revision"`
	Status         Status             `json:"status"`
	Class          string             `json:"class"`
	Cause          string             `json:"cause"`
	Severity       Severity           `json:"severity"`
	Confidence     float64            `json:"confidence"`
	Scope          Scope              `json:"scope"`
	StartedAt      time.Time          `json:"started_at"`
	Onset          *Onset             `json:"onset,omitempty"`
	DetectedAt     time.Time          `json:"detected_at"`
	UpdatedAt      time.Time          `json:"updated_at"`
	EndedAt        *time.Time         `json:"ended_at"`
	Ratio          *float64           `json:"ratio,omitempty"`
	Factors        map[string]float64 `json:"factors,omitempty"`
	UsersAffected  int                `json:"users_affected"`
	Overcharge     event.Sum          `json:"overcharge_credits"`
	MergedInto     *string            `json:"merged_into"`
	ConfigVersion  string             `json:"config_version"`
	ProgramVersion string             `json:"program_version"`
	Runbook        string             `json:"runbook,omitempty"`
	Evidence       []Evidence         `json:"evidence"`
	Title          string             `json:"title"`
	Summary        string             `json:"summary"`
	Links          map[string]string  `json:"links"`
}

// Onset is when the fault itself began: between two moments, at a level of confidence. StartedAt, the first row that it hit, lies in it.
type Onset struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Level float64   `json:"level"`
}

// Moved returns the names of the factors that moved by 2% or more, the strongest first.
func (r *Record) Moved() []string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(r.Factors)), func(n string) bool { return math.Abs(math.Log(r.Factors[n])) < 0.02 })
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(math.Abs(math.Log(r.Factors[b])), math.Abs(math.Log(r.Factors[a])))
	})
	return names
}
