package main

import (
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/notify"
)

// Config is the configuration file, with the defaults filled in and the environment and the flags laid over it.
// Its fields are the public keys; each is described in the README's reference.
type Config struct {
	Ingest     ingestConfig                 `yaml:"ingest"`
	Topics     topicsConfig                 `yaml:"topics"`
	State      stateConfig                  `yaml:"state"`
	Listen     listenConfig                 `yaml:"listen"`
	Dimensions []string                     `yaml:"dimensions,flow"`
	Severity   severityConfig               `yaml:"severity"`
	Thresholds thresholdsConfig             `yaml:"thresholds"`
	RateCard   []rateConfig                 `yaml:"rate_card"`
	Plans      map[string]map[string]amount `yaml:"plans"`
	Calendar   []calendarConfig             `yaml:"calendar"`
	Sinks      []notify.Settings            `yaml:"sinks"`
	Routes     []routeConfig                `yaml:"routes"`
	Heartbeat  heartbeatConfig              `yaml:"heartbeat"`
	Runbook    string                       `yaml:"runbook"` // address of the page that an alert sends people to

	kafkaPassword string // KAFKA_SASL_PASSWORD: has no key, so that no file can hold it
}

type ingestConfig struct {
	Brokers      []string   `yaml:"brokers,flow"`
	Topic        string     `yaml:"topic"`
	Group        string     `yaml:"group"`
	Format       string     `yaml:"format"`
	Rekey        bool       `yaml:"rekey"`
	Start        string     `yaml:"start"`
	Lateness     span       `yaml:"lateness"`
	Dedupe       span       `yaml:"dedupe"`
	DedupeMemory size       `yaml:"dedupe_memory"` // cap of the counted-once set, for the whole process
	TLS          tlsConfig  `yaml:"tls"`
	SASL         saslConfig `yaml:"sasl"`
}

type tlsConfig struct {
	Enabled  bool   `yaml:"enabled"`
	CAFile   string `yaml:"ca_file,omitempty"`
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
}

type saslConfig struct {
	Mechanism    string `yaml:"mechanism,omitempty"`
	Username     string `yaml:"username,omitempty"`
	PasswordFile string `yaml:"password_file,omitempty"`
}

type topicsConfig struct {
	Prefix string `yaml:"prefix"`
}

type stateConfig struct {
	Store string `yaml:"store"`
	Path  string `yaml:"path"`
	Every span   `yaml:"every"`
}

type listenConfig struct {
	API    string `yaml:"api"`
	Probes string `yaml:"probes"`
	URL    string `yaml:"url,omitempty"`  // where people reach the war room; alerts link to it
	Open   bool   `yaml:"open,omitempty"` // other machines may reach the war room, though nobody is authenticated
}

type severityConfig struct {
	PageFactor      float64 `yaml:"page_factor"`
	MinUsers        int     `yaml:"min_users"`
	MaterialCredits amount  `yaml:"material_credits"`
}

type rateConfig struct {
	Model      string            `yaml:"model"`
	Where      map[string]string `yaml:"where,omitempty"`
	From       moment            `yaml:"from,omitempty"`
	Input      *amount           `yaml:"input"`
	Cached     *amount           `yaml:"cached,omitempty"`      // absent: the price of input
	CacheWrite *amount           `yaml:"cache_write,omitempty"` // absent: the price of input
	Output     *amount           `yaml:"output"`
	Round      amount            `yaml:"round,omitempty"`
}

type calendarConfig struct {
	From   moment             `yaml:"from"`
	To     moment             `yaml:"to"`
	What   string             `yaml:"what"`
	Where  map[string]string  `yaml:"where,omitempty"`
	Expect map[string]float64 `yaml:"expect,omitempty"`
}

type routeConfig struct {
	Match map[string]string `yaml:"match"`
	Sinks []string          `yaml:"sinks,flow"`
}

type heartbeatConfig struct {
	URL          string   `yaml:"url,omitempty"`
	URLFile      string   `yaml:"url_file,omitempty"`
	AllowPrivate bool     `yaml:"allow_private,omitempty"`
	Sinks        []string `yaml:"sinks,flow,omitempty"` // of kind alertmanager
	Every        span     `yaml:"every"`
}

// defaultConfig returns what holds where nothing is configured.
func defaultConfig() *Config {
	c := &Config{
		Ingest: ingestConfig{
			Brokers: []string{"127.0.0.1:9092"}, Topic: "usage", Group: "drainwatch", Format: "auto", Start: "earliest",
			Lateness: span(detector.DefaultLateness), Dedupe: span(detector.DefaultDedupeWindow), DedupeMemory: detector.DefaultDedupeBytes,
		},
		Topics:     topicsConfig{Prefix: "drainwatch."},
		State:      stateConfig{Store: "dir", Path: "./drainwatch-state", Every: span(30 * time.Second)},
		Listen:     listenConfig{API: "127.0.0.1:8080", Probes: "127.0.0.1:8081"},
		Heartbeat:  heartbeatConfig{Every: span(time.Minute)},
		Thresholds: thresholdsOf(detector.DefaultThresholds()),
		Severity: severityConfig{
			PageFactor: detector.DefaultPageFactor, MinUsers: detector.DefaultMinUsers, MaterialCredits: amount(detector.DefaultMaterialCredits),
		},
	}
	for d := range event.NumDims {
		c.Dimensions = append(c.Dimensions, d.String())
	}
	return c
}
