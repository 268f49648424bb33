package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// What a template may not say, and where the fault is said to be.
func TestTemplateFaults(t *testing.T) {
	deep := "{{range .For}}{{range $.Against}}{{range $.Facts}}x{{end}}{{end}}{{end}}"
	for _, c := range []struct{ name, text, want string }{
		{"syntax", "one\n{{if}}", "line 2: missing value for if"},
		{"unclosed", "{{.Title", "line 1: unclosed action"},
		{"unknown function", "a\nb {{exec `ls`}}", `line 2: function "exec" not defined`},
		{"printf", "{{printf `%1000000000d` 1}}", `line 1: function "printf" is not for templates; use one of and, cut, eq`},
		{"call", "{{call .Title}}", `line 1: function "call" is not for templates`},
		{"inner call", "{{if and true (print .Title)}}x{{end}}", `line 1: function "print" is not for templates`},
		{"in an else", "{{if .Ended}}{{else}}{{with .Do}}{{html .}}{{end}}{{end}}", `line 1: function "html" is not for templates`},
		{"unknown field", "{{.Title}}\n{{.Tilte}}", "line 2: <.Tilte> can't evaluate field Tilte in type notify.Words"},
		{"unknown field of what resolves", "{{if .Resolved}}{{.Over}}{{end}}", "line 1: <.Over> can't evaluate field Over"},
		{"unknown field of what is blind", "{{if .Blind}}{{.Why}}{{end}}", "line 1: <.Why> can't evaluate field Why"},
		{"beyond a list", "{{index .Named 0}}", "line 1: <index .Named 0> error calling index"},
		{"definition", `{{define "a"}}{{end}}x`, "defines a template of its own"},
		{"recursion", `{{template "t"}}`, "line 1: calls a template"},
		{"block", `{{block "a" .}}{{end}}`, "defines a template of its own"},
		{"range over a number", "{{range 1000000000}}{{end}}", "line 1: range goes over .Named, .Facts, .For or .Against"},
		{"range over users", "{{range .Users}}{{end}}", "line 1: range goes over"},
		{"range over a variable", "{{$n := 1000000000}}{{range $n}}{{end}}", "line 1: range goes over"},
		{"nested ranges", deep, "line 1: more than 2 ranges within each other"},
		{"a document", strings.Repeat("x", maxTemplate+1), "is larger than 16 KiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, key := range []string{"title", "body"} {
				s := Settings{Kind: "stdout", Template: &Template{Title: c.text}}
				if key == "body" {
					s.Template = &Template{Body: c.text}
				}
				wrong := s.CheckTemplate()
				if len(wrong) != 1 || wrong[0].Key != "template."+key || !strings.HasPrefix(wrong[0].What, c.want) || strings.Contains(wrong[0].What, "\n") {
					t.Errorf("%v, want %s: %s", wrong, key, c.want)
				}
				if _, err := s.Open(nil); err == nil {
					t.Error("is opened")
				}
			}
		})
	}
}

// What templates make of an alert.
func TestTemplateWords(t *testing.T) {
	n := &Notification{Record: alert("inc_1", 3, resolved)}
	ratio := 12.44
	n.Record.Ratio, n.Record.Links = &ratio, map[string]string{"incident": "https://war.example.org/incidents/inc_1"}
	n.Record.Evidence = append(n.Record.Evidence, incident.Evidence{Text: "others are fine", Against: true})
	for _, c := range []struct{ text, want string }{
		{"{{.Incident}} r{{.Revision}} {{.Status}} {{upper .Severity}} {{.Class}}/{{.Cause}}", "inc_1 r3 resolved PAGE metering_bug/price"},
		{"{{.Title}}", "Metering bug: pro in eu-west-1 charged 12x since 14:00Z"},
		{"{{.Scope}}|{{.Users}}|{{round 1 .Ratio}}|{{.Overcharge}}", "plan=pro region=eu-west-1|33|12.4|0.000000000"},
		{"{{.Started}} {{if .Resolved}}to {{.Ended}}{{end}}", "2026-06-25T14:00:00Z to 2026-06-25T15:00:00Z"},
		{"{{range .For}}+ {{.}}\n{{end}}{{range .Against}}- {{.}}{{end}}", "+ charged 12x the rate card\n- others are fine"},
		{"{{range $i, $f := .Facts}}{{if eq $f.Label `for`}}{{$i}} {{$f.Text}}{{end}}{{end}}", "1 charged 12x the rate card"},
		{"see {{.Link}}{{with .Runbook}} or {{.}}{{end}}", "see https://war.example.org/incidents/inc_1"},
		{"{{cut 10 .Title}} {{len .Title}} {{join `, ` .For}}", "Meterin… 55 charged 12x the rate card"},
	} {
		w, err := Settings{Template: &Template{Body: c.text}}.words(nil)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got, ok := w.bodyOf(n); got != c.want || !ok {
			t.Errorf("%s\n got %q\nwant %q", c.text, got, c.want)
		}
	}
}

// Whatever stands in an alert, a template ends soon and says no more than fits; where it fails, the program's own words are sent.
func TestTemplateIsBounded(t *testing.T) {
	n := &Notification{Record: alert("inc_1", 1, firing), Mark: "DEMO"}
	for range 60 {
		n.Record.Evidence = append(n.Record.Evidence, incident.Evidence{Text: strings.Repeat("é", 2000)})
	}
	w, err := Settings{Template: &Template{
		Title: "{{range .Facts}}{{range $.Facts}}{{.Text}}\n{{end}}{{end}}",
		Body:  "{{$x := `x`}}{{range .Facts}}{{range $.For}}{{$x = join $x $.For}}{{end}}{{end}}{{$x}}",
	}}.words(nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	title := w.titleOf(n, "own")
	body, ok := w.bodyOf(n)
	if len(title) > maxTitle+10 || !strings.HasPrefix(title, "DEMO  ") || strings.Contains(title, "\n") || !ok || len(body) > maxBody {
		t.Errorf("%d bytes of title %.20q, %d of body %v", len(title), title, len(body), ok)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("took %v", took)
	}
	w, err = Settings{Template: &Template{Title: "{{if .Named}}{{index .Named 1}}{{else}}  {{end}}", Body: "{{if .Named}}{{index .Named 1}}{{end}}"}}.words(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []incident.Scope{incident.UserScope("only one"), n.Record.Scope} {
		n.Record.Scope = scope
		if got := w.titleOf(n, "own"); got != "own" {
			t.Errorf("title %q", got)
		}
		if got, ok := w.bodyOf(n); ok {
			t.Errorf("body %q", got)
		}
	}
}

// everything uses all that a template may, with nothing in between.
var everything = &Template{
	Title: "{{.Headline}}{{.Title}}{{.Scope}}{{range .Named}}{{.}}{{end}}",
	Body:  "{{.Title}}{{.Scope}}{{range .Named}}{{.}}{{.}}{{end}}{{range .Facts}}{{.Label}}{{.Text}}{{end}}{{range .For}}{{.}}{{.}}{{end}}{{range .Against}}{{.}}{{end}}{{.Do}}{{.Class}}{{.Cause}}{{upper .Title}}{{slice .Title 3}}{{range .For}}{{slice . 1}}{{end}}",
}

// Text in which neither half is anything makes nothing when a template puts halves side by side.
func TestTemplateSeams(t *testing.T) {
	w, err := Settings{Template: &Template{Body: "{{range .Named}}{{.}}{{end}}"}}.words(slackEscape)
	if err != nil {
		t.Fatal(err)
	}
	for _, halves := range [][]string{{"https:", "//evil.example/x"}, {"https:/", "/evil.example/x"}, {"@", "channel"}, {"<", "!channel>"}, {"&", "lt;"}, {"\xe2\x80", "\xae"}, {"[a]", "(b)"}} {
		n := &Notification{Record: alert("inc_1", 1, firing)}
		n.Record.Scope = incident.UsersScope(halves, "device")
		got, _ := w.bodyOf(n)
		for _, bad := range []string{"://", "@channel", "<", "&lt;", "\u202e", "]("} {
			if strings.Contains(got, bad) {
				t.Errorf("%q make %q", halves, got)
			}
		}
	}
}

// Each sink puts title and body where its readers look, and keeps what programs compare.
func TestTemplateInEachSink(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		sink, r := setUp(t, kind, func(s *Settings) { s.Template = &Template{Title: "T! {{.Cause}}", Body: "B! {{.Status}}\nsecond"} })
		n := &Notification{Record: alert("inc_1", 3, firing), Mark: "TEST"}
		if _, err := send(t, sink, n); err != nil {
			t.Fatal(err)
		}
		d := r.deliveries()[0]
		for _, want := range []string{"TEST  T! price", "B! firing"} {
			if text := strings.ReplaceAll(string(d.body), "=20", " "); !strings.Contains(text, want) {
				t.Errorf("%q is not in %s", want, d.body)
			}
		}
		stands[kind].schema(t, d)
		if stands[kind].keyless {
			return
		}
		plain, r := setUp(t, kind)
		if _, err := send(t, plain, n); err != nil {
			t.Fatal(err)
		}
		if a, b := stands[kind].key(t, d), stands[kind].key(t, r.deliveries()[0]); a != b {
			t.Errorf("the key is %q with a template, %q without", a, b)
		}
	})
}

// Whatever is written as a template is refused, or ends with text that fits.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{everything.Title, everything.Body, "{{range $i, $f := .Facts}}{{$i}}{{end}}", "{{range 9}}x{{end}}", "{{template `t`}}", "{{printf `%9999d`}}", "{{$x := 1}}{{$x = join .Title .For}}", strings.Repeat("a\xff", 240), strings.Repeat("é\x01\xff", 240)} {
		f.Add(text)
	}
	n := &Notification{Record: alert("inc_1", 1, firing)}
	f.Fuzz(func(t *testing.T, text string) {
		s := Settings{Template: &Template{Title: text, Body: text}}
		w, wrong := s.wording(slackEscape)
		if len(wrong) > 0 {
			return
		}
		if title := w.titleOf(n, "own"); !utf8.ValidString(title) || len(title) > maxTitle+10 || strings.ContainsAny(title, "\n\x1b") {
			t.Errorf("title %q", title)
		}
		if body, _ := w.bodyOf(n); !utf8.ValidString(body) || len(body) > maxBody || strings.Contains(body, "\x1b") {
			t.Errorf("body %q", body)
		}
	})
}

func ExampleTemplate() {
	s := Settings{Kind: "stdout", Template: &Template{Title: "{{upper .Severity}}: {{.Title}}"}}
	fmt.Println(len(s.CheckTemplate()))
	s.Template.Title = "{{printf .Title}}"
	fmt.Println(s.CheckTemplate()[0])
	// Output:
	// 0
	// template.title: line 1: function "printf" is not for templates; use one of and, cut, eq, ge, gt, index, join, le, len, lower, lt, ne, not, or, round, slice, upper
}
