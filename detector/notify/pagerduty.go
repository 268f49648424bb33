package notify

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	pdURL     = "https://events.pagerduty.com"
	pdSummary = 1024      // characters of a summary that PagerDuty takes
	pdFact    = 4 << 10   // bytes of one line of details
	pdLimit   = 512 << 10 // bytes of a whole event that PagerDuty takes
)

// pagerDuty speaks the Events API v2. The incident is the dedup key, so every revision of it is one alert there.
type pagerDuty struct {
	client *client
	url    string
	key    secretFile
	words  wording
}

func newPagerDuty(s Settings, _ io.Writer) (Sink, error) {
	p := &pagerDuty{client: newClient(s.AllowPrivate), url: pdURL, key: secretFile(s.RoutingKeyFile)}
	if s.URL != "" {
		p.url = strings.TrimSuffix(strings.TrimSuffix(s.URL, "/"), "/v2/enqueue")
	}
	_, err := p.key.one()
	if err == nil {
		p.words, err = s.words(nil)
	}
	return p, err
}

// Close implements io.Closer.
func (p *pagerDuty) Close() error { return p.client.Close() }

// Policy implements Sink.
func (p *pagerDuty) Policy() Policy {
	return Policy{
		Timeout: 10 * time.Second, Within: 24 * time.Hour,
		Waits: []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute},
	}
}

type pdEvent struct {
	RoutingKey  string     `json:"routing_key"`
	EventAction string     `json:"event_action"`
	DedupKey    string     `json:"dedup_key"`
	Client      string     `json:"client,omitempty"`
	ClientURL   string     `json:"client_url,omitempty"`
	Payload     *pdPayload `json:"payload,omitempty"`
	Links       []pdLink   `json:"links,omitempty"`
}

type pdPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp time.Time         `json:"timestamp"`
	Component string            `json:"component,omitempty"`
	Group     string            `json:"group,omitempty"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

type pdLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// pdSeverity maps severities to PagerDuty's.
var pdSeverity = map[incident.Severity]string{incident.Page: "critical", incident.Ticket: "warning", incident.Info: "info"}

// Send implements Sink.
func (p *pagerDuty) Send(ctx context.Context, n *Notification) (string, error) {
	key, err := p.key.one()
	if err != nil {
		return "", err
	}
	body, err := jsonText(p.event(n, key))
	if err != nil {
		return "", refusef("write event: %w", err)
	}
	if len(body) > pdLimit {
		return "", refusef("write event: %d bytes, and PagerDuty takes %d", len(body), pdLimit)
	}
	r, err := p.client.post(ctx, p.url+"/v2/enqueue", nil, body, n.Now, key)
	if err != nil {
		return "", err
	}
	return r.success(func(body string) bool {
		var said struct{ Status string }
		return json.Unmarshal([]byte(body), &said) == nil && said.Status == "success"
	})
}

func (p *pagerDuty) event(n *Notification, key string) pdEvent {
	r := &n.Record
	e := pdEvent{RoutingKey: key, EventAction: "trigger", DedupKey: r.Incident, Client: "drainwatch", ClientURL: r.Links["incident"]}
	if r.Status == incident.Resolved {
		e.EventAction = "resolve"
	}
	severity, ok := pdSeverity[r.Severity]
	if !ok {
		severity = "error" // of a newer program
	}
	e.Payload = &pdPayload{
		Summary: cut(p.words.titleOf(n, n.headline()), pdSummary), Source: "drainwatch", Severity: severity, Timestamp: r.UpdatedAt.UTC(),
		Component: cut(inert(r.Scope.String()), pdFact), Group: r.Class, Class: r.Cause,
		Details: map[string]string{"idempotency_key": n.Key()},
	}
	facts := n.facts()
	if body, ok := p.words.bodyOf(n); ok {
		facts = []fact{{"text", body}}
	}
	for _, f := range facts {
		text := f.text
		if before, again := e.Payload.Details[f.label]; again {
			text = before + "\n" + text
		}
		e.Payload.Details[f.label] = cut(text, pdFact)
	}
	if href := r.Links["incident"]; href != "" {
		e.Links = append(e.Links, pdLink{href, "incident"})
	}
	if r.Runbook != "" {
		e.Links = append(e.Links, pdLink{r.Runbook, "runbook"})
	}
	return e
}
