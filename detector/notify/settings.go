package notify

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // quiet hours have zones, and images often do not
)

// Settings configure one sink. The keys are those of the configuration file; which of them a kind takes stands in [Kinds].
type Settings struct {
	Name           string   `yaml:"name"`
	Kind           string   `yaml:"kind"`
	URLs           []string `yaml:"urls,flow,omitempty"`
	URL            string   `yaml:"url,omitempty"`
	URLFile        string   `yaml:"url_file,omitempty"`
	SecretFile     string   `yaml:"secret_file,omitempty"`
	RoutingKeyFile string   `yaml:"routing_key_file,omitempty"`
	From           string   `yaml:"from,omitempty"`
	To             []string `yaml:"to,flow,omitempty"`
	Username       string   `yaml:"username,omitempty"`
	PasswordFile   string   `yaml:"password_file,omitempty"`
	AllowPrivate   bool     `yaml:"allow_private,omitempty"`
	RateCap        int      `yaml:"rate_cap,omitempty"` // new incidents of a severity in ten minutes; 0 is DefaultRateCap
	Quiet          *Quiet   `yaml:"quiet,omitempty"`    // when tickets wait

	Template *Template `yaml:"template,omitempty"` // nil is the program's own words
}

// common are the keys that every kind takes.
var common = []string{"name", "kind", "rate_cap", "quiet", "template"}

// Kind is one way to deliver: what it needs to be told, what it may be told, and how it is made.
type Kind struct {
	Need, May []string // keys of Settings besides those that every kind takes
	New       func(s Settings, out io.Writer) (Sink, error)
	Check     func(s Settings) error // of values, without reading secrets; the error is a *SettingError. nil leaves it at addresses
}

// SettingError says what is wrong with a key, and what would be right.
type SettingError struct{ Key, What string }

// Error implements error.
func (e *SettingError) Error() string { return e.Key + ": " + e.What }

// Kinds are the sinks by the name that the configuration gives them. A new kind of sink is registered here.
var Kinds = map[string]Kind{
	"alertmanager": {Need: []string{"urls"}, New: newAlertmanager},
	"webhook":      {Need: []string{"url", "secret_file"}, May: []string{"allow_private"}, New: newWebhook},
	"pagerduty":    {Need: []string{"routing_key_file"}, May: []string{"url", "allow_private"}, New: newPagerDuty},
	"slack":        {Need: []string{"url_file"}, May: []string{"allow_private"}, New: newSlack},
	"smtp":         {Need: []string{"url", "from", "to"}, May: []string{"username", "password_file", "allow_private"}, New: newSMTP, Check: checkSMTP},
	"stdout":       {New: newStdout},
}

// CheckTemplate reads the sink's template, tries it on specimens, and returns what is wrong with its parts.
func (s Settings) CheckTemplate() []*SettingError {
	_, wrong := s.wording(nil)
	return wrong
}

// KindNames returns the names of all kinds, sorted.
func KindNames() []string { return slices.Sorted(maps.Keys(Kinds)) }

// Keys returns the keys that are set, in the order of the fields.
func (s *Settings) Keys() (set []string) {
	v := reflect.ValueOf(s).Elem()
	for field, value := range v.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); !value.IsZero() {
			set = append(set, name)
		}
	}
	return set
}

// Takes says whether a key means anything to the kind.
func (k Kind) Takes(key string) bool {
	return slices.Contains(common, key) || slices.Contains(k.Need, key) || slices.Contains(k.May, key)
}

// Open makes the sink that s describes. out is where a sink of kind stdout writes. Errors show no secret.
func (s Settings) Open(out io.Writer) (Sink, error) {
	kind, ok := Kinds[s.Kind]
	if !ok {
		return nil, fmt.Errorf("open sink %s: %q is no kind of sink; use one of %s", s.Name, s.Kind, strings.Join(KindNames(), ", "))
	}
	sink, err := kind.New(s, out)
	if err != nil {
		return nil, fmt.Errorf("open sink %s: %w", s.Name, err)
	}
	return sink, nil
}

// Quiet are hours in which tickets wait: told at their end, if there is still something to tell. Pages never wait.
type Quiet struct {
	From string `yaml:"from"`           // 22:00
	To   string `yaml:"to"`             // 07:00, of the next day if it is earlier
	Zone string `yaml:"zone,omitempty"` // such as Europe/Berlin; "" is UTC
}

// Check says what is wrong with the hours.
func (q *Quiet) Check() error {
	_, _, _, err := q.parse()
	return err
}

func (q *Quiet) parse() (from, to time.Duration, zone *time.Location, err error) {
	if zone, err = time.LoadLocation(q.Zone); err != nil {
		return 0, 0, nil, fmt.Errorf("%q is no time zone; write one such as Europe/Berlin", q.Zone)
	}
	for _, c := range []struct {
		text string
		into *time.Duration
	}{{q.From, &from}, {q.To, &to}} {
		t, err := time.Parse("15:04", c.text)
		if err != nil {
			return 0, 0, nil, fmt.Errorf("%q is no time of day; write hours and minutes, such as 22:00", c.text)
		}
		*c.into = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	}
	return from, to, zone, nil
}

// end returns when the quiet hours that now lies in are over; now itself if it lies in none.
func (q *Quiet) end(now time.Time) time.Time {
	if q == nil {
		return now
	}
	from, to, zone, err := q.parse()
	if err != nil || from == to {
		return now
	}
	local := now.In(zone)
	y, m, d := local.Date()
	at := func(day int, clock time.Duration) time.Time {
		return time.Date(y, m, d+day, int(clock/time.Hour), int(clock%time.Hour/time.Minute), 0, 0, zone)
	}
	for day := -1; day <= 0; day++ {
		begin, end := at(day, from), at(day, to)
		if to < from {
			end = at(day+1, to)
		}
		if !local.Before(begin) && local.Before(end) {
			return end
		}
	}
	return now
}
