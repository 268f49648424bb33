package notify

import (
	"context"
	"io"
	"strings"
	"time"
)

const (
	slackText    = 1000 // bytes of the first line
	slackSection = 2900 // of a section, where Slack takes 3,000 characters
)

// slack posts to an incoming webhook, one message a change of state. What rows say stands in text that Slack does not parse.
type slack struct {
	client       *client
	url          secretFile
	allowPrivate bool
	words        wording
}

func newSlack(s Settings, _ io.Writer) (Sink, error) {
	c := &slack{client: newClient(s.AllowPrivate), url: secretFile(s.URLFile), allowPrivate: s.AllowPrivate}
	_, err := c.address()
	if err == nil {
		c.words, err = s.words(slackEscape)
	}
	return c, err
}

// Close implements io.Closer.
func (c *slack) Close() error { return c.client.Close() }

// Policy implements Sink.
func (c *slack) Policy() Policy {
	return Policy{
		Timeout: 10 * time.Second, Within: 24 * time.Hour, OnlyChanges: true,
		Waits: []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute},
	}
}

// address reads where to post. It is a secret, so no error shows it.
func (c *slack) address() (string, error) {
	return c.url.link(c.allowPrivate, "the one that Slack gave for the incoming webhook")
}

type slackMessage struct {
	Text        string       `json:"text"`
	Markdown    bool         `json:"mrkdwn"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`
	Blocks      []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string       `json:"type"`
	Text     *slackObject `json:"text,omitempty"`
	Elements []any        `json:"elements,omitempty"`
}

type slackObject struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`
	Verbatim bool   `json:"verbatim,omitempty"`
}

// Send implements Sink.
func (c *slack) Send(ctx context.Context, n *Notification) (string, error) {
	link, err := c.address()
	if err != nil {
		return "", err
	}
	body, err := jsonText(c.message(n))
	if err != nil {
		return "", refusef("write message: %w", err)
	}
	r, err := c.client.post(ctx, link, nil, body, n.Now, linkSecrets(link)...)
	if err != nil {
		return "", err
	}
	return r.success(func(body string) bool { return strings.TrimSpace(body) == "ok" })
}

func (c *slack) message(n *Notification) slackMessage {
	m := slackMessage{Text: slackEscape(cut(n.headline(), slackText))}
	title := slackSectionOf(m.Text)
	if t := c.words.titleOf(n, ""); t != "" {
		m.Text = cut(t, slackText)
		title = slackMarkdown(m.Text)
	}
	var lines []string
	for _, f := range n.facts() {
		lines = append(lines, f.label+": "+f.text)
	}
	body := slackSectionOf(cut(slackEscape(strings.Join(lines, "\n")), slackSection))
	if t, ok := c.words.bodyOf(n); ok {
		body = slackMarkdown(cut(t, slackSection))
	}
	m.Blocks = append(m.Blocks, title, body)
	var links []string
	for _, l := range []struct{ href, text string }{{n.Record.Links["incident"], "incident"}, {n.Record.Runbook, "runbook"}} {
		if l.href != "" {
			links = append(links, "<"+slackEscape(strings.ReplaceAll(l.href, "|", "%7C"))+"|"+l.text+">")
		}
	}
	if len(links) > 0 { // ours, made of the configuration and the incident's id
		m.Blocks = append(m.Blocks, slackBlock{Type: "context", Elements: []any{slackObject{Type: "mrkdwn", Text: strings.Join(links, " · ")}}})
	}
	return m
}

func slackSectionOf(text string) slackBlock {
	emoji := false
	return slackBlock{Type: "section", Text: &slackObject{Type: "plain_text", Text: text, Emoji: &emoji}}
}

// slackMarkdown is for templates: their own markup counts, and nothing else becomes a link.
func slackMarkdown(text string) slackBlock {
	return slackBlock{Type: "section", Text: &slackObject{Type: "mrkdwn", Text: text, Verbatim: true}}
}

// slackEscape escapes the three characters that Slack gives a meaning.
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
