package notify

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	amRepeat   = time.Minute
	amHolds    = 4 * amRepeat // so long an Alertmanager takes for firing what is not said again
	amResolved = 15 * time.Minute
	amLabel    = 200 // bytes of a label's value
	amText     = 8 << 10
)

// alertmanager speaks the API v2 of Prometheus' Alertmanager. The set of labels is an alert's identity there, so it holds
// nothing that is measured, and where class, cause, severity or scope change, the former set is resolved along.
type alertmanager struct {
	client *client
	urls   []string
	words  wording
}

func newAlertmanager(s Settings, _ io.Writer) (Sink, error) {
	words, err := s.words(nil)
	if err != nil {
		return nil, err
	}
	a := &alertmanager{client: newClient(true), words: words} // it lives inside the cluster
	for _, u := range s.URLs {
		a.urls = append(a.urls, strings.TrimSuffix(strings.TrimSuffix(u, "/"), "/api/v2/alerts")+"/api/v2/alerts")
	}
	return a, nil
}

// Close implements io.Closer.
func (a *alertmanager) Close() error { return a.client.Close() }

// Policy implements Sink.
func (a *alertmanager) Policy() Policy {
	return Policy{
		Timeout: 10 * time.Second, Waits: []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute},
		Within: 24 * time.Hour, Repeat: amRepeat, RepeatResolved: amResolved,
	}
}

type amAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Send implements Sink.
func (a *alertmanager) Send(ctx context.Context, n *Notification) (string, error) {
	body, err := jsonText(a.alerts(n))
	if err != nil {
		return "", refusef("write alert: %w", err)
	}
	return a.send(ctx, body, n.Now)
}

// send posts alerts to every peer. Peers gossip, but each is told, since one that was away would not know. One that took them
// suffices: the others hear them when they are said again.
func (a *alertmanager) send(ctx context.Context, body []byte, now time.Time) (string, error) {
	replies, errs := make([]string, len(a.urls)), make([]error, len(a.urls))
	var peers sync.WaitGroup
	for i, u := range a.urls {
		peers.Go(func() {
			r, err := a.client.post(ctx, u, nil, body, now)
			if err == nil {
				if err = r.judge(func(status int) bool { return status == 400 }); err == nil && strings.Contains(r.body, `"status":"error"`) {
					err = fmt.Errorf("answered %s", r)
				}
			}
			if errs[i] = err; err == nil {
				replies[i] = r.String()
			}
		})
	}
	peers.Wait()
	if len(a.urls) == 1 {
		return replies[0], errs[0]
	}
	took, last := 0, error(nil)
	for i, err := range errs {
		if err == nil {
			took++
			continue
		}
		if kind, _ := outcome(err); last == nil || kind == Retry {
			last = err // another attempt is worth it if it is for one of them
		}
		replies[i] = inert(err.Error())
	}
	reply := fmt.Sprintf("%d of %d peers took it: %s", took, len(a.urls), strings.Join(replies, "; "))
	if took == 0 {
		return "", last
	}
	return reply, nil
}

// alerts returns the alert and, where its identity has changed since this Alertmanager was told, the resolve of the former ones.
func (a *alertmanager) alerts(n *Notification) []amAlert {
	r := &n.Record
	now := n.Now.UTC()
	headline := a.words.titleOf(n, n.headline())
	alert := amAlert{
		Labels: amLabels(n, r), StartsAt: r.StartedAt.UTC(), EndsAt: now.Add(amHolds), GeneratorURL: r.Links["incident"],
		Annotations: map[string]string{"summary": cut(headline, amText)},
	}
	if alert.StartsAt.After(now) { // event time may run ahead of the clock here
		alert.StartsAt = now
	}
	var lines []string
	for _, f := range n.facts() {
		lines = append(lines, f.label+": "+f.text)
	}
	body, ok := a.words.bodyOf(n)
	if !ok {
		body = strings.Join(lines, "\n")
	}
	alert.Annotations["description"] = cut(body, amText)
	if r.Runbook != "" {
		alert.Annotations["runbook_url"] = r.Runbook
	}
	if r.Status == incident.Resolved {
		alert.EndsAt = amEnd(r.EndedAt, alert.StartsAt, now)
	}
	out := []amAlert{alert}
	known := []string{amIdentity(alert.Labels)}
	for _, before := range n.Before {
		former := alert
		former.Labels = amLabels(n, before)
		id := amIdentity(former.Labels)
		if before.Status != incident.Firing || slices.Contains(known, id) {
			continue
		}
		known = append(known, id)
		former.EndsAt = amEnd(nil, alert.StartsAt, now)
		former.Annotations = map[string]string{"summary": cut("Refined: "+headline, amText)}
		out = append(out, former)
	}
	return out
}

// amEnd returns when an alert that is over ended: in the past by the clock here, and not before it began.
func amEnd(ended *time.Time, began, now time.Time) time.Time {
	end := now.Add(-time.Second)
	if ended != nil && ended.Before(end) {
		end = ended.UTC()
	}
	if end.Before(began) {
		end = began // a start that is an end reads as resolved
	}
	return end
}

func amLabels(n *Notification, r *incident.Record) map[string]string {
	labels := map[string]string{
		"alertname": "DrainwatchIncident", "incident": r.Incident, "class": r.Class, "cause": r.Cause, "severity": string(r.Severity),
	}
	if n.Mark != "" {
		labels["mark"] = strings.ToLower(n.Mark)
	}
	for dim, value := range r.Scope.Where {
		if value != "" { // an empty label is none to Alertmanager
			labels[dim] = cut(inert(value), amLabel)
		}
	}
	return labels
}

// amIdentity returns the labels as one text.
func amIdentity(labels map[string]string) string {
	text, err := jsonText(labels) // sorts the keys
	if err != nil {
		panic("notify: a map of strings is no JSON: " + err.Error())
	}
	return string(text)
}
