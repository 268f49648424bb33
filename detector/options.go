package detector

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/detector/verdict"
	"github.com/drainwatch/drainwatch/detector/window"
)

// Defaults of Options.
const (
	DefaultLateness        = 2 * time.Minute
	DefaultDedupeWindow    = 24 * time.Hour
	DefaultDedupeBytes     = 1 << 30
	DefaultPageFactor      = 1.5
	DefaultMinUsers        = 5
	DefaultMaterialCredits = 10_000 * event.Credit
)

// Plan is the budget that users of a plan have.
type Plan struct {
	FiveHour, Weekly event.Credits
	Pools            map[string]event.Credits // balances without a window, such as supplementary
}

// watched says whether somebody looks at what goes on.
func (o *Options) watched() bool { return o.LiveView || o.Registerer != nil }

// budgets returns what users of each plan may draw.
func (o *Options) budgets() map[string]window.Budget {
	out := map[string]window.Budget{}
	for name, p := range o.Plans {
		out[name] = window.Budget{FiveHour: p.FiveHour, Weekly: p.Weekly, Pools: p.Pools}
	}
	return out
}

// gauged returns the credits of each plan's shortest window, which the gauge shown to users is for.
func (o *Options) gauged() map[string]event.Credits {
	out := map[string]event.Credits{}
	for name, p := range o.Plans {
		if out[name] = p.FiveHour; p.FiveHour == 0 {
			out[name] = p.Weekly
		}
	}
	return out
}

// Planned is an event that explains a change before it happens.
type Planned struct {
	From, To time.Time
	What     string
	Where    map[event.Dim]string
	Expect   map[string]float64 // factor name to multiple, whose power of 1.5 it explains; empty explains whatever people do (users, turns, requests, tokens), never a price
}

// SeverityRules say what wakes somebody. Zero fields take the defaults.
type SeverityRules struct {
	PageFactor      float64
	MinUsers        int
	MaterialCredits event.Credits
}

// Options configure an Engine. The zero value works: prices are learned and nothing is written but the output.
type Options struct {
	RateCard   []price.Entry
	Plans      map[string]Plan
	Calendar   []Planned
	Severity   SeverityRules
	Dimensions []event.Dim // the only names that scopes use; nil is all
	Format     string      // of records; "" is auto

	Lateness     time.Duration // of event time: how late a row may come and still correct its bucket
	DedupeWindow time.Duration // of event time
	DedupeBytes  int64         // memory cap of the counted-once set, for the whole engine

	ConfigVersion, ProgramVersion string
	Runbook                       string // base address of runbooks; the cause is appended
	LinkBase                      string // base address of the war room

	Thresholds Thresholds // from which rules cry
	// Observe is told what each rule makes of what it looks at, crying or not: of every user's every ten minutes, and of all
	// users together. It is called by several goroutines, in no certain order; nil costs nothing.
	Observe func(Score)

	// Hearing is which evidence the verdicts go without, to learn what it is worth, and gathers which made a difference; nil hears all.
	// It may be read once Finish has returned, and belongs to one engine.
	Hearing *verdict.Hearing
	// Spare is told of what a rule looks at and is not said, and what speaks for it: of every user's every ten minutes, and of
	// cohorts. Called as Observe is; nil costs nothing.
	Spare func(Spared)
	// Compare asks the summary what a scope has drawn since a time, against like hours before; nil asks nothing.
	Compare *Comparison

	LiveView bool // keep the cohorts of Snapshot up to date, for who watches
	Answers  bool // keep what Rollup returns, for who asks

	Workers int // goroutines that decode; 0 is GOMAXPROCS. Changes no output.

	// Relay takes what shards say to a log that several engines share, each folding some of Partitions, one deciding. Nil joins all
	// stages in this engine.
	Relay      Relay
	Partitions int // of the source, with Relay

	// WakeFrom maps a partition to the first offset that may wake somebody. What ended before it is recorded as info.
	WakeFrom map[int32]int64

	Log        zerolog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // for logs and metrics of progress only; nil is time.Now
}

func (o *Options) withDefaults() {
	if o.Lateness == 0 {
		o.Lateness = DefaultLateness
	}
	if o.DedupeWindow == 0 {
		o.DedupeWindow = DefaultDedupeWindow
	}
	if o.DedupeBytes == 0 {
		o.DedupeBytes = DefaultDedupeBytes
	}
	if o.Severity.PageFactor == 0 {
		o.Severity.PageFactor = DefaultPageFactor
	}
	if o.Severity.MinUsers == 0 {
		o.Severity.MinUsers = DefaultMinUsers
	}
	if o.Severity.MaterialCredits == 0 {
		o.Severity.MaterialCredits = DefaultMaterialCredits
	}
	o.Thresholds.withDefaults()
	if o.Hearing == nil {
		o.Hearing = &verdict.Hearing{}
	}
	if o.Dimensions == nil {
		for d := range event.NumDims {
			o.Dimensions = append(o.Dimensions, d)
		}
	}
	if o.Format == "" {
		o.Format = "auto"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Validate reports every impossible setting.
func (o *Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Lateness >= 0 && o.Lateness <= 24*time.Hour, "lateness %v: must lie between 0 and 24h", o.Lateness)
	check(o.DedupeWindow >= 0 && o.DedupeWindow <= 7*24*time.Hour, "dedupe %v: must lie between 0 and 168h", o.DedupeWindow)
	check(o.DedupeBytes >= 0, "dedupe memory %d: must not be negative", o.DedupeBytes)
	check(o.Severity.PageFactor == 0 || o.Severity.PageFactor > 1, "severity.page_factor %v: must be above 1", o.Severity.PageFactor)
	check(o.Severity.MinUsers >= 0, "severity.min_users %d: must not be negative", o.Severity.MinUsers)
	check(o.Severity.MaterialCredits >= 0, "severity.material_credits %v: must not be negative", o.Severity.MaterialCredits)
	check(o.Workers >= 0, "workers %d: must not be negative", o.Workers)
	check(o.Relay == nil || o.Partitions > 0, "partitions %d: must be at least 1", o.Partitions)
	for i, p := range o.Calendar {
		check(p.To.After(p.From), "calendar entry %d (%s): to must come after from", i+1, p.What)
	}
	return errors.Join(append(errs, o.Thresholds.validate())...)
}
