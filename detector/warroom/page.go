package warroom

import (
	"bytes"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

// style is the pages' own; it is named by its hash in the content policy, so that nothing else styles or runs.
const style = `
:root{color-scheme:light dark}
body{font:16px/1.45 system-ui,sans-serif;max-width:72rem;margin:1.5rem auto;padding:0 1rem}
h1{font-size:1.25rem;margin:0 0 .25rem}h2{font-size:1.05rem;margin:1.5rem 0 .5rem}
a{color:inherit}p.state,.dim{color:GrayText;margin:.1rem 0}
.blind{border:2px solid #b45309;padding:.5rem .75rem;margin:.75rem 0}
article{border-left:.4rem solid GrayText;padding:.15rem .75rem;margin:.75rem 0}
article.page{border-color:#b91c1c}article.ticket{border-color:#b45309}
article h3{font-size:1rem;margin:0}article p{margin:.2rem 0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.2rem .75rem .2rem 0}
th{font-weight:600;white-space:nowrap;width:8.5rem}td.n{text-align:right;font-variant-numeric:tabular-nums}
td,h3{overflow-wrap:anywhere}
`

// refreshSeconds is how often a page loads itself again.
const refreshSeconds = "5"

const shownUsers = 20

var pages = template.Must(template.New("pages").Funcs(template.FuncMap{
	"inert": incident.Neutral,
	"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") },
	"style": func() template.CSS { return template.CSS(style) },
	"count": func(n int64) string { return grouped(strconv.FormatInt(n, 10)) },
}).Parse(`{{define "head"}}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{inert .Title}}</title><style>{{style}}</style></head><body>
<h1>{{if .Home}}{{inert .Title}}{{else}}<a href="/">{{inert .Title}}</a>{{end}}</h1>
<p class="state">{{if .At.IsZero}}no rows have been read yet{{else}}event time {{clock .At}} · {{count .Rows}} rows · {{count .Users}} users{{end}}</p>
{{if .Blind}}<p class="blind"><strong>Not all is seen:</strong> {{inert .Blind}}. What follows may be of an earlier time.</p>{{end}}{{end}}
{{define "list"}}{{range .}}<article class="{{.Severity}}"><h3><a href="/incidents/{{.Incident}}">{{inert .Headline}}</a></h3>
<p class="dim">{{.Severity}} · {{.Incident}} · since {{clock .StartedAt}}{{with .EndedAt}} to {{clock .}}{{end}}{{if .Acknowledged}} · acknowledged{{end}}{{with .Label}} · labelled {{.Class}} {{.Cause}}{{end}}</p></article>
{{end}}{{end}}
{{define "foot"}}</body></html>
{{end}}
{{define "home"}}{{template "head" .}}
<h2>Firing: {{len .Open}}</h2>
{{if .Open}}{{template "list" .Open}}{{else}}<p>{{if .Blind}}Nothing fires among what is seen.{{else}}Nothing fires.{{end}}</p>{{end}}
{{if .Closed}}<h2>Resolved</h2>{{template "list" .Closed}}{{end}}
<p class="dim">The same as JSON: <a href="/api/v1/incidents">/api/v1/incidents</a>, described by <a href="/api/v1/openapi.json">/api/v1/openapi.json</a></p>
{{template "foot"}}{{end}}
{{define "incident"}}{{template "head" .}}{{$a := .Detail.Alert}}
<article class="{{$a.Severity}}"><h3>{{inert .Detail.Headline}}</h3>
<p class="dim">{{$a.Incident}} · {{$a.Status}} · {{$a.Severity}} · revision {{$a.Revision}} · <a href="/api/v1/incidents/{{$a.Incident}}">JSON</a> · <a href="/api/v1/incidents/{{$a.Incident}}/ledger.csv">ledger</a></p></article>
<table>
{{with .Detail.MergedInto}}<tr><th>goes on</th><td>as <a href="/incidents/{{.}}">{{inert .}}</a></td></tr>{{end}}
<tr><th>who</th><td>{{inert .Detail.Who}}; {{$a.UsersAffected}} users affected</td></tr>
<tr><th>since</th><td>{{clock $a.StartedAt}}, found {{clock $a.DetectedAt}}{{with $a.EndedAt}}, over since {{clock .}}{{end}}</td></tr>
{{if not $a.Overcharge.IsZero}}<tr><th>how much</th><td>{{$a.Overcharge}} credits</td></tr>{{end}}
{{if .Detail.Began}}<tr><th>began</th><td>{{.Detail.Began}}</td></tr>{{end}}
<tr><th>how sure</th><td>{{.Detail.Sure}}</td></tr>
{{range .Detail.For}}<tr><th>for</th><td>{{inert .Text}}</td></tr>{{end}}
{{range .Detail.Against}}<tr><th>against</th><td>{{inert .Text}}</td></tr>{{end}}
{{range .Detail.RuledOut}}<tr><th>ruled out</th><td>{{inert .What}}: {{inert .By}}</td></tr>{{end}}
{{range .Detail.AlsoMoved}}<tr><th>not ruled out</th><td>{{inert .What}}: {{inert .By}}</td></tr>{{end}}
{{range .Detail.WouldChange}}<tr><th>would change</th><td>{{inert .}}</td></tr>{{end}}
{{with .Detail.Next}}<tr><th>next</th><td>{{inert .}}</td></tr>{{end}}
{{with .Detail.Acknowledgement}}<tr><th>acknowledged</th><td>{{clock .At}} {{inert .By}}</td></tr>{{end}}
{{with .Detail.Label}}<tr><th>labelled</th><td>{{.Class}} {{.Cause}}, {{clock .At}} {{inert .By}}</td></tr>{{end}}
{{range .Detail.Notes}}<tr><th>note</th><td>{{inert .Text}} <span class="dim">{{clock .At}} {{inert .By}}</span></td></tr>{{end}}
</table>
<h2>How it came to that</h2>
<table>{{range .Detail.Timeline}}<tr><th>revision {{.Revision}}</th><td>{{clock .At}} · {{.Status}} · {{range $i, $w := .What}}{{if $i}}, {{end}}{{inert $w}}{{end}}</td></tr>{{end}}</table>
{{if .Affected}}<h2>Users: {{.Total}}</h2>
<table><tr><th>user</th><td class="n">rows</td><td class="n">charged</td><td class="n">expected</td><td class="n">overcharge</td></tr>
{{range .Affected}}<tr><th>{{inert .User}}</th>{{if .Rows}}<td class="n">{{.Rows}}</td><td class="n">{{.Charged}}</td><td class="n">{{.Expected}}</td><td class="n">{{.Overcharge}}</td>{{end}}</tr>
{{end}}</table>{{end}}
{{template "foot"}}{{end}}`))

// screen is what every page shows.
type screen struct {
	Title string
	Home  bool
	At    time.Time
	Rows  int64
	Users int64
	Blind string // why not all is seen

	Open, Closed []incidentItem

	Detail   incidentDetail
	Affected []affectedUser
	Total    int
}

func (s *Server) screen() screen {
	x := screen{Title: s.o.Title}
	if x.Title == "" {
		x.Title = "drainwatch"
	}
	if v := s.rollup(); v != nil {
		x.At, x.Rows, x.Users = time.Unix(0, v.At).UTC(), v.Rows, int64(v.Users)
	}
	if err := s.o.Ready(); err != nil {
		x.Blind = err.Error()
	}
	return x
}

func (s *Server) page(w http.ResponseWriter, _ *http.Request) error {
	x := s.screen()
	x.Home = true
	const most = 200
	open, _ := s.o.Board.list(&incidentFilter{status: string(incident.Firing), limit: most})
	closed, _ := s.o.Board.list(&incidentFilter{status: string(incident.Resolved), limit: most / 10})
	for i := range open {
		x.Open = append(x.Open, s.item(&open[i]))
	}
	slices.SortStableFunc(x.Open, func(a, b incidentItem) int { return loudness(b.Severity) - loudness(a.Severity) })
	for i := range closed {
		if closed[i].latest.MergedInto == nil {
			x.Closed = append(x.Closed, s.item(&closed[i]))
		}
	}
	w.Header().Set("Refresh", refreshSeconds)
	return render(w, "home", &x)
}

func loudness(severity string) int {
	return slices.Index([]string{"info", "ticket", "page"}, severity)
}

func (s *Server) incidentPage(w http.ResponseWriter, r *http.Request) error {
	e, err := s.find(r)
	if err != nil {
		return err
	}
	x := s.screen()
	x.Detail = s.detail(&e)
	all := s.usersOf(&e)
	x.Total, x.Affected = len(all), all[:min(len(all), shownUsers)]
	w.Header().Set("Refresh", refreshSeconds)
	return render(w, "incident", &x)
}

func render(w http.ResponseWriter, name string, x *screen) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, x); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
	return nil
}

// grouped puts commas between thousands.
func grouped(digits string) string {
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
