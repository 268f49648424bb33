package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
)

// engineOptions translates the configuration into what the detector takes.
func (c *Config) engineOptions(log zerolog.Logger) detector.Options {
	o := detector.Options{
		Plans: map[string]detector.Plan{},
		Severity: detector.SeverityRules{
			PageFactor: c.Severity.PageFactor, MinUsers: c.Severity.MinUsers, MaterialCredits: c.Severity.MaterialCredits.credits(),
		},
		Thresholds:   c.Thresholds.thresholds(),
		Format:       c.Ingest.Format,
		Lateness:     time.Duration(c.Ingest.Lateness),
		DedupeWindow: time.Duration(c.Ingest.Dedupe), DedupeBytes: int64(c.Ingest.DedupeMemory),
		ConfigVersion: c.version(), ProgramVersion: buildInfo().Version,
		Runbook: c.Runbook, LinkBase: strings.TrimSuffix(c.Listen.URL, "/"),
		Log: log,
	}
	for _, r := range c.RateCard {
		e := price.Entry{Model: r.Model, Where: dims(r.Where), From: r.From.Time, Input: r.Input.credits(), Output: r.Output.credits(), Round: r.Round.credits()}
		e.Cached, e.CacheWrite = e.Input, e.Input
		if r.Cached != nil {
			e.Cached = r.Cached.credits()
		}
		if r.CacheWrite != nil {
			e.CacheWrite = r.CacheWrite.credits()
		}
		o.RateCard = append(o.RateCard, e)
	}
	for name, budgets := range c.Plans {
		p := detector.Plan{Pools: map[string]event.Credits{}}
		for pool, credits := range budgets {
			switch pool {
			case "five_hour":
				p.FiveHour = credits.credits()
			case "weekly":
				p.Weekly = credits.credits()
			default:
				p.Pools[pool] = credits.credits()
			}
		}
		o.Plans[name] = p
	}
	for _, p := range c.Calendar {
		o.Calendar = append(o.Calendar, detector.Planned{From: p.From.Time, To: p.To.Time, What: p.What, Where: dims(p.Where), Expect: p.Expect})
	}
	for _, name := range c.Dimensions {
		if d, ok := event.ParseDim(name); ok {
			o.Dimensions = append(o.Dimensions, d)
		}
	}
	return o
}

// dims translates conditions whose names were checked.
func dims(where map[string]string) map[event.Dim]string {
	if len(where) == 0 {
		return nil
	}
	out := map[event.Dim]string{}
	for name, value := range where {
		if d, ok := event.ParseDim(name); ok {
			out[d] = value
		}
	}
	return out
}

// version identifies the part of the configuration that decides what is found. Addresses, topics, state and
// sinks are left out, so that a replay of the same rows under the same rules says the same, byte for byte.
func (c *Config) version() string {
	rules := struct {
		Dimensions []string
		Format     string
		Lateness   span
		Dedupe     span
		Memory     size
		Severity   severityConfig
		Thresholds *thresholdsConfig `yaml:"thresholds,omitempty"` // where they are not today's
		RateCard   []rateConfig
		Plans      map[string]map[string]amount
		Calendar   []calendarConfig
	}{c.Dimensions, c.Ingest.Format, c.Ingest.Lateness, c.Ingest.Dedupe, c.Ingest.DedupeMemory, c.Severity, nil, c.RateCard, c.Plans, c.Calendar}
	if c.Thresholds != defaultConfig().Thresholds {
		rules.Thresholds = &c.Thresholds
	}
	text, err := yaml.Marshal(rules) // YAML, because it sorts the keys of maps and prints money exactly
	if err != nil {
		panic(fmt.Sprintf("config: own types do not marshal: %v", err))
	}
	sum := sha256.Sum256(text)
	return "c-" + hex.EncodeToString(sum[:4])
}
