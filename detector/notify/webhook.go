package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	webhookLimit  = 20_000 // bytes of a body: Standard Webhooks asks for less than 20 kB
	webhookPrefix = "whsec_"
)

// webhook speaks Standard Webhooks 1.0.0.
type webhook struct {
	client *client
	url    string
	secret secretFile
	words  wording
}

func newWebhook(s Settings, _ io.Writer) (Sink, error) {
	w := &webhook{client: newClient(s.AllowPrivate), url: s.URL, secret: secretFile(s.SecretFile)}
	_, _, err := w.keys()
	if err == nil {
		w.words, err = s.words(nil)
	}
	return w, err
}

// Close implements io.Closer.
func (w *webhook) Close() error { return w.client.Close() }

// Policy implements Sink: the retries that the standard recommends.
func (w *webhook) Policy() Policy {
	return Policy{
		Timeout: 15 * time.Second, Tries: 10,
		Waits: []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		},
	}
}

// keys reads the secrets, one a line: two while they are rotated.
func (w *webhook) keys() (keys [][]byte, texts []string, err error) {
	texts, err = w.secret.lines()
	if err != nil {
		return nil, nil, err
	}
	for i, text := range texts {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, webhookPrefix))
		if err != nil || len(key) == 0 {
			return nil, nil, fmt.Errorf("read secret %s: line %d is no secret of a webhook; write %s and 24 to 64 random bytes in base64, such as from openssl rand -base64 32", string(w.secret), i+1, webhookPrefix)
		}
		keys = append(keys, key)
		texts[i] = strings.TrimPrefix(text, webhookPrefix) // masks it with and without
	}
	return keys, texts, nil
}

// sign returns the signature of one key.
func sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Send implements Sink.
func (w *webhook) Send(ctx context.Context, n *Notification) (string, error) {
	keys, texts, err := w.keys()
	if err != nil {
		return "", err
	}
	body, err := w.body(n)
	if err != nil {
		return "", refusef("write message: %w", err)
	}
	id, timestamp := n.Key(), strconv.FormatInt(n.Now.Unix(), 10)
	var signatures []string
	for _, key := range keys {
		signatures = append(signatures, sign(key, id, timestamp, body))
	}
	header := http.Header{} // lower case on the wire, as the standard writes them
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", timestamp)
	header.Set("webhook-signature", strings.Join(signatures, " "))
	r, err := w.client.post(ctx, w.url, header, body, n.Now, texts...)
	if err != nil {
		return "", err
	}
	if err := r.judge(nil); err != nil {
		if r.status == http.StatusGone {
			return "", &Failure{Outcome: Gone, Err: err}
		}
		return "", err
	}
	return r.String(), nil
}

// webhookData is an alert record, and what had to be left out of it.
type webhookData struct {
	incident.Record
	Scope        webhookScope `json:"scope"`
	EvidenceLeft int          `json:"evidence_left_out,omitempty"`
	Mark         string       `json:"mark,omitempty"`
}

type webhookScope struct {
	incident.Scope
	Total int    `json:"users_total,omitempty"` // how many there are, where the list is cut
	Link  string `json:"users_link,omitempty"`
}

// body returns the message, the same for every attempt. Lists that would make it too long are cut, with their length.
func (w *webhook) body(n *Notification) ([]byte, error) {
	data := webhookData{Record: w.words.readable(n), Mark: n.Mark, Scope: webhookScope{Scope: n.Record.Scope}}
	users, evidence := len(data.Scope.Users), len(data.Evidence)
	for {
		body, err := jsonText(struct {
			Type      string      `json:"type"`
			Timestamp time.Time   `json:"timestamp"`
			Data      webhookData `json:"data"`
		}{"alert." + string(n.Record.Status), n.Record.UpdatedAt.UTC(), data})
		switch {
		case err != nil || len(body) < webhookLimit:
			return body, err
		case len(data.Scope.Users) > 0:
			data.Scope.Users = data.Scope.Users[:len(data.Scope.Users)/2]
			data.Scope.Total, data.Scope.Link = users, n.Record.Links["incident"]
		case len(data.Evidence) > 0:
			data.Evidence = data.Evidence[:len(data.Evidence)/2]
			data.EvidenceLeft = evidence - len(data.Evidence)
		default:
			return nil, fmt.Errorf("%d bytes, and a webhook takes %d", len(body), webhookLimit)
		}
	}
}
