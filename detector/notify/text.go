package notify

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// markup are characters that some receiver gives a meaning: HTML, Slack's <!channel>, Markdown's links, emphasis and code.
const markup = "<>[]*~`|"

// mentions are words that chat programs ring everybody for.
var mentions = regexp.MustCompile(`(?i)@(channel|here|everyone|all)\b`)

// inert makes text that people will read mean nothing to whatever shows it: control characters, marks that turn the
// direction of text, markup, mentions and links become visible escapes. User ids and versions are chosen by whoever sends the rows.
func inert(s string) string {
	s = incident.Neutral(s)
	if strings.ContainsAny(s, markup) {
		var b strings.Builder
		for _, r := range s {
			if strings.ContainsRune(markup, r) {
				fmt.Fprintf(&b, `\x%02x`, r)
				continue
			}
			b.WriteRune(r)
		}
		s = b.String()
	}
	s = strings.ReplaceAll(s, "://", `:\x2f/`)
	return mentions.ReplaceAllString(s, `\x40$1`)
}

// cut shortens text to n bytes and says so.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n-len("…"), 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// headline is the first line of what people read: mark and state in front of who, how many times, since when, how much, verdict.
func (n *Notification) headline() string {
	line := incident.Headline(&n.Record)
	if n.isDigest() || n.isBlind() {
		line = n.Record.Title // it has no verdict
	}
	if n.Record.Status == incident.Resolved {
		line = "RESOLVED  " + line
	}
	if n.Mark != "" {
		line = n.Mark + "  " + line
	}
	return inert(line)
}

func (n *Notification) isDigest() bool { return strings.HasPrefix(n.Record.Incident, digestPrefix) }

// title is the headline in a few words.
func (n *Notification) title() string {
	title := n.Record.Title
	if n.Mark != "" {
		title = n.Mark + ": " + title
	}
	return inert(title)
}

// fact is a labelled line.
type fact struct{ label, text string }

// facts are what stands below the headline. Links are not among them.
func (n *Notification) facts() (out []fact) {
	r := &n.Record
	add := func(label, text string) {
		if text != "" {
			out = append(out, fact{label, inert(text)})
		}
	}
	state := fmt.Sprintf("%s, %s, %s since %s", r.Incident, r.Severity, r.Status, r.StartedAt.UTC().Format("2006-01-02 15:04:05Z"))
	if r.EndedAt != nil {
		state += ", over since " + r.EndedAt.UTC().Format("2006-01-02 15:04:05Z")
	}
	if r.MergedInto != nil {
		state += ", part of " + *r.MergedInto
	}
	add("state", state)
	add("began", r.Onset.Words())
	if len(r.Scope.Users) > 0 {
		shown := r.Scope.Users[:min(len(r.Scope.Users), maxUsersInText)]
		text := strings.Join(quoted(shown), ", ")
		if left := len(r.Scope.Users) - len(shown); left > 0 {
			text += fmt.Sprintf(" and %d more of %d", left, len(r.Scope.Users))
		}
		add("users", text)
	}
	add("split", split(r))
	for _, against := range []bool{false, true} {
		for _, e := range r.Evidence {
			if e.Against == against {
				label := "for"
				if against {
					label = "against"
				} else if n.isBlind() && e.Code == adviceCode {
					label = "do"
				}
				add(label, e.Text)
			}
		}
	}
	switch {
	case n.isDigest():
		add("do", "look at the alerts topic or the war room")
	case n.isBlind(): // its evidence ends with it
	case n.Mark == "TEST":
		add("do", "nothing")
	default:
		add("do", incident.Advice(r))
	}
	return out
}

const maxUsersInText = 10

func quoted(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strconv.Quote(v)
	}
	return out
}

// split says what the ratio is made of.
func split(r *incident.Record) string {
	return r.Split(func(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) + "x" })
}

// jsonText marshals v so that every character with a meaning for terminals, browsers or readers is escaped; what the
// text says is not changed.
func jsonText(v any) ([]byte, error) {
	text, err := json.Marshal(v) // escapes < > & and control characters
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(text, func(c byte) bool { return c >= 0x7f }) {
		return text, nil
	}
	out := make([]byte, 0, len(text)+64)
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r < 0x7f || incident.Neutral(string(r)) == string(r):
			out = append(out, text[i:i+n]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out, nil
}

// readable returns a copy of the record whose words are inert. What machines compare, such as the scope, stays as it is. A
// template's title and body are title and summary there.
func (w *wording) readable(n *Notification) incident.Record {
	r := n.Record
	if n.Mark != "" {
		r.Summary = n.Mark + ": " + r.Summary
	}
	r.Title, r.Summary = w.titleOf(n, n.title()), inert(r.Summary)
	if body, ok := w.bodyOf(n); ok {
		r.Summary = body
	}
	r.Evidence = slices.Clone(r.Evidence)
	for i := range r.Evidence {
		r.Evidence[i].Text = inert(r.Evidence[i].Text)
	}
	return r
}
