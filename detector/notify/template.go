package notify

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	maxTemplate = 16 << 10 // bytes of a template
	maxTitle    = 500      // bytes that a title may come to; what is beyond is cut
	maxBody     = 16 << 10
	maxListed   = 50 // items of a list that a template sees
	maxNested   = 2  // ranges within each other
)

// Template words what people read in a sink: Title stands where it has its first line, Body where it has the lines below. What
// programs compare (labels, keys, the scope) stays as it is. The language is that of text/template, over [Words].
type Template struct {
	Title string `yaml:"title,omitempty"`
	Body  string `yaml:"body,omitempty"`
}

// Words is what a template may use. All text is escaped already, so that what rows say means nothing to whoever shows it; what
// the template itself says is taken as it is.
type Words struct {
	Headline                          string // who, how many times, since when, how much, verdict
	Title                             string // the same in a few words
	Incident, Status, Severity        string
	Class, Cause, Scope               string
	Revision                          int
	Started, Detected, Updated, Ended string // RFC 3339, UTC; Ended is empty while it fires
	Ratio, Confidence                 float64
	Users                             int      // affected
	Overcharge                        string   // credits
	Named                             []string // users that the scope names, the first of them
	Facts                             []Fact   // all lines below the headline
	For, Against                      []string // evidence
	Do                                string   // what to do
	Link, Runbook                     string   // addresses; may be empty
	Mark                              string   // TEST or DEMO; put in front of every title anyway
	Resolved                          bool
	Blind                             bool // it is about drainwatch itself
}

// Fact is a labelled line.
type Fact struct{ Label, Text string }

// templateFuncs are the functions of a template besides and, or, not, eq, ne, lt, le, gt, ge, len, index and slice. None of them
// makes text longer than it was given by more than a little, and none reaches outside.
var templateFuncs = template.FuncMap{
	"upper": strings.ToUpper,
	"lower": strings.ToLower,
	"cut":   func(n int, s string) string { return cut(s, max(n, 0)) },
	"join":  join,
	"round": func(places int, x float64) string { return strconv.FormatFloat(x, 'f', min(max(places, 0), 9), 64) },
}

var templateBuiltins = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice"}

// join puts a separator between texts, as far as a body goes.
func join(sep string, list []string) string {
	var b strings.Builder
	for i, s := range list {
		if b.Len() > maxBody {
			break
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(s)
	}
	return cut(b.String(), maxBody)
}

// wording is a template made ready for a sink. Its zero value uses the program's own words.
type wording struct {
	title, body *template.Template
	escape      func(string) string // for what the sink gives a meaning to besides what inert escapes; nil is none
}

// words reads the template. The error is a *SettingError.
func (s Settings) words(escape func(string) string) (wording, error) {
	w, wrong := s.wording(escape)
	if len(wrong) > 0 {
		return w, wrong[0]
	}
	return w, nil
}

// wording reads the template and tries it on specimens, and returns what is wrong with its parts.
func (s Settings) wording(escape func(string) string) (w wording, wrong []*SettingError) {
	w.escape = escape
	if s.Template == nil {
		return w, nil
	}
	for _, part := range []struct {
		key, text string
		into      **template.Template
		most      int
	}{{"template.title", s.Template.Title, &w.title, maxTitle}, {"template.body", s.Template.Body, &w.body, maxBody}} {
		if part.text == "" {
			continue
		}
		t, err := parseTemplate(part.text)
		for _, n := range templateSpecimens() {
			if err == nil {
				_, err = w.execute(t, n, part.most)
			}
		}
		if *part.into = t; err != nil {
			wrong = append(wrong, &SettingError{part.key, err.Error()})
		}
	}
	return w, wrong
}

// templateSpecimens are tried before a template is taken: what differs between alerts takes other branches.
func templateSpecimens() []*Notification {
	now := time.Date(2026, 6, 25, 14, 1, 0, 0, time.UTC)
	bare := incident.Record{V: 1, Incident: "inc_0", Status: incident.Firing, Class: "abuse", Cause: "farming", Severity: incident.Page, Scope: incident.UsersScope([]string{"a", "b"}, "device"), Title: "Abuse: 2 accounts"}
	blind := incident.Record{V: 1, Incident: blindPrefix + "0", Status: incident.Resolved, Class: "unknown", Cause: "unknown", EndedAt: &now, Title: "Blind", Evidence: []incident.Evidence{{Code: adviceCode, Text: "x"}}}
	return []*Notification{Specimen(now, incident.Firing), Specimen(now, incident.Resolved), {Record: bare, Now: now}, {Record: blind, Now: now}}
}

var templateError = regexp.MustCompile(`^template: [^:]*:(\d+)(?::\d+)?: (?:executing "[^"]*" at (<.*?>): )?`)

// inWords says a fault of a template with its line.
func inWords(err error) error {
	return errors.New(templateError.ReplaceAllStringFunc(err.Error(), func(head string) string {
		m := templateError.FindStringSubmatch(head)
		return strings.TrimSpace("line "+m[1]+": "+m[2]) + " "
	}))
}

func parseTemplate(text string) (*template.Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("is larger than %d KiB; write a message, not a document", maxTemplate>>10)
	}
	t, err := template.New("t").Funcs(templateFuncs).Parse(text)
	if err != nil {
		return nil, inWords(err)
	}
	if len(t.Templates()) > 1 || t.Tree == nil {
		return nil, errors.New("defines a template of its own; write it in one piece")
	}
	c := &templateChecker{tree: t.Tree}
	c.list(t.Root, 0)
	return t, c.err
}

// templateChecker refuses what could run for long or make much of little: a template ends soon whatever stands in an alert.
type templateChecker struct {
	tree *parse.Tree
	err  error
}

func (c *templateChecker) refuse(n parse.Node, format string, args ...any) {
	if c.err == nil {
		where, _ := c.tree.ErrorContext(n)
		line := strings.Split(where, ":")
		c.err = fmt.Errorf("line %s: "+format, append([]any{line[min(1, len(line)-1)]}, args...)...)
	}
}

func (c *templateChecker) list(l *parse.ListNode, depth int) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			c.pipe(n.Pipe)
		case *parse.IfNode:
			c.branch(&n.BranchNode, depth)
		case *parse.WithNode:
			c.branch(&n.BranchNode, depth)
		case *parse.RangeNode:
			if depth == maxNested {
				c.refuse(n, "more than %d ranges within each other", maxNested)
			}
			if !lists(n.Pipe) {
				c.refuse(n, "range goes over .Named, .Facts, .For or .Against")
			}
			c.branch(&n.BranchNode, depth+1)
		case *parse.TemplateNode:
			c.refuse(n, "calls a template; write it in one piece")
		}
	}
}

// lists says whether a pipe is one of the lists of Words.
func lists(p *parse.PipeNode) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	var names []string
	switch n := p.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		names = n.Ident
	case *parse.VariableNode: // $.Facts, where the dot is something else
		if n.Ident[0] == "$" {
			names = n.Ident[1:]
		}
	}
	return len(names) == 1 && slices.Contains([]string{"Named", "Facts", "For", "Against"}, names[0])
}

func (c *templateChecker) branch(b *parse.BranchNode, depth int) {
	c.pipe(b.Pipe)
	c.list(b.List, depth)
	c.list(b.ElseList, depth)
}

func (c *templateChecker) pipe(p *parse.PipeNode) {
	if p == nil {
		return
	}
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			switch n := arg.(type) {
			case *parse.PipeNode:
				c.pipe(n)
			case *parse.ChainNode:
				if inner, ok := n.Node.(*parse.PipeNode); ok {
					c.pipe(inner)
				}
			case *parse.IdentifierNode:
				if _, own := templateFuncs[n.Ident]; !own && !slices.Contains(templateBuiltins, n.Ident) {
					c.refuse(n, "function %q is not for templates; use one of %s", n.Ident, strings.Join(templateNames(), ", "))
				}
			}
		}
	}
}

func templateNames() []string {
	names := slices.Clone(templateBuiltins)
	for name := range templateFuncs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// errFull ends a template that has said enough.
var errFull = errors.New("enough")

type limited struct {
	bytes.Buffer
	max int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.max {
		l.Buffer.Write(p[:l.max-l.Len()])
		return 0, errFull
	}
	return l.Buffer.Write(p)
}

// execute returns the text, cut to a length.
func (w *wording) execute(t *template.Template, n *Notification, most int) (string, error) {
	out := limited{max: most}
	err := t.Execute(&out, w.of(n))
	if err != nil && !errors.Is(err, errFull) {
		return "", inWords(err)
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(out.String(), "\ufffd"))
	if err != nil {
		text += "…"
	}
	return cut(text, most), nil // last, as bytes that were no text have become longer
}

// titleOf returns the first line of what people read.
func (w *wording) titleOf(n *Notification, own string) string {
	if w.title == nil {
		return own
	}
	text, err := w.execute(w.title, n, maxTitle)
	text = strings.Join(strings.Fields(text), " ")
	if err != nil || text == "" {
		return own // whoever waits for a page is not helped by a fault of a template
	}
	if n.Mark != "" {
		text = n.Mark + "  " + text
	}
	return text
}

// bodyOf returns the lines below, if the template has them.
func (w *wording) bodyOf(n *Notification) (string, bool) {
	if w.body == nil {
		return "", false
	}
	text, err := w.execute(w.body, n, maxBody)
	text = strings.TrimSpace(text)
	return text, err == nil && text != ""
}

// of returns what a template may use of a notification.
func (w *wording) of(n *Notification) Words {
	r := &n.Record
	text := func(s string) string {
		s = seamless(inert(s))
		if w.escape != nil {
			s = w.escape(s)
		}
		return s
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	unmarked := *n
	unmarked.Mark = "" // it is put in front
	out := Words{
		Headline: text(unmarked.headline()), Title: text(unmarked.title()), Incident: text(r.Incident), Revision: r.Revision, Status: text(string(r.Status)),
		Severity: text(string(r.Severity)), Class: text(r.Class), Cause: text(r.Cause), Scope: text(r.Scope.String()),
		Started: at(r.StartedAt), Detected: at(r.DetectedAt), Updated: at(r.UpdatedAt), Confidence: r.Confidence, Users: r.UsersAffected, Overcharge: r.Overcharge.String(),
		Link: r.Links["incident"], Runbook: r.Runbook, Mark: n.Mark, Resolved: r.Status == incident.Resolved, Blind: n.isBlind(),
	}
	if r.EndedAt != nil {
		out.Ended = at(*r.EndedAt)
	}
	if r.Ratio != nil {
		out.Ratio = *r.Ratio
	}
	for _, u := range r.Scope.Users[:min(len(r.Scope.Users), maxUsersInText)] {
		out.Named = append(out.Named, text(u))
	}
	if r.Scope.User != "" {
		out.Named = append(out.Named, text(r.Scope.User))
	}
	facts := n.facts()
	if last := len(facts) - 1; last >= maxListed { // which says what to do
		facts[maxListed-1] = facts[last]
		facts = facts[:maxListed]
	}
	for _, f := range facts {
		f.text = text(f.text)
		switch f.label {
		case "for":
			out.For = append(out.For, f.text)
		case "against":
			out.Against = append(out.Against, f.text)
		case "do":
			out.Do = f.text
		}
		out.Facts = append(out.Facts, Fact{f.label, f.text})
	}
	return out
}

// seamless escapes what two texts side by side could make: a link or a mention begun in one and ended in the next.
func seamless(s string) string {
	if rest, ok := strings.CutPrefix(s, "/"); ok {
		s = `\x2f` + rest
	}
	if rest, ok := strings.CutSuffix(s, "@"); ok {
		s = rest + `\x40`
	}
	return s
}
