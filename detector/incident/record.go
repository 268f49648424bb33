package incident

import (
	"maps"
	"math"
	"slices"
	"strings"
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
	Usual          map[string]float64 `json:"usual,omitempty"`     // by how many times each factor differs among like hours before
	Explained      map[string]string  `json:"explained,omitempty"` // factors that an incident explains, and which: another one of the same rows, or this one: as a loss of requests does, and takes turns and users with it, or work that nobody asked for
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

// factor returns one as the verdict had it.
func (r *Record) factor(name string) verdict.Factor {
	f := verdict.Factor{Name: name, Value: r.Factors[name], Of: r.Explained[name]}
	if u, known := r.Usual[name]; known {
		f.Spread = math.Log(u)
	}
	if f.Of == r.Incident && name == FactorOf(r.Class, r.Cause) {
		f.Of, f.Told = "", f.Of != ""
	}
	return f
}

// factors returns those that moved by 2% or more, or by one where that is known to be more than usual, first what this incident is about
// (verdict.Factor.Compare). By less than a percent the product itself may be off.
func (r *Record) factors() []verdict.Factor {
	var out []verdict.Factor
	for _, name := range slices.Sorted(maps.Keys(r.Factors)) {
		f, least := r.factor(name), 0.02
		if len(r.Usual) > 0 && f.Of == "" && !f.Usual() {
			least = 0.01
		}
		if math.Abs(math.Log(f.Value)) >= least {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b verdict.Factor) int { return a.Compare(&b) })
	return out
}

// Moved returns the name of the factor that moved most, measured by what is usual and what is explained otherwise; "" where none did.
func (r *Record) Moved() string {
	if f := r.factors(); len(f) > 0 {
		return f[0].Name
	}
	return ""
}

// Split says what the ratio is made of, each number written by number: what moved more than usual, what came with it,
// what other incidents of the same rows explain, and what is as like hours differ.
func (r *Record) Split(number func(float64) string) string {
	var moved, usual, others, took []string
	for _, f := range r.factors() {
		switch text := f.Name + " " + number(f.Value); {
		case f.Of != "" && f.Of == r.Incident:
			took = append(took, text)
		case f.Of != "":
			others = append(others, text+" ("+f.Of+")")
		case f.Usual():
			usual = append(usual, text)
		default:
			moved = append(moved, text)
		}
	}
	var parts []string
	if len(moved) > 0 {
		parts = append(parts, strings.Join(moved, ", "))
	}
	if len(took) > 0 {
		parts = append(parts, "came with it: "+strings.Join(took, ", "))
	}
	if len(others) > 0 {
		parts = append(parts, "of other incidents: "+strings.Join(others, ", "))
	}
	if len(usual) > 0 {
		parts = append(parts, "no more than usual: "+strings.Join(usual, ", "))
	}
	text := strings.Join(parts, "; ")
	if r.Ratio != nil && text != "" {
		text = number(*r.Ratio) + " in all: " + text
	}
	return text
}
