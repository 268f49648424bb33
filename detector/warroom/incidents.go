package warroom

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	ledgers "github.com/drainwatch/drainwatch/detector/ledger"
)

// causes are those that a label may say, by class.
var causes = incident.Causes()

// incidentItem is an incident in a list.
type incidentItem struct {
	Incident      string         `json:"incident"`
	Revision      int            `json:"revision"`
	Status        string         `json:"status"`
	Class         string         `json:"class"`
	Cause         string         `json:"cause"`
	Severity      string         `json:"severity"`
	Confidence    float64        `json:"confidence"`
	Scope         incident.Scope `json:"scope"` // as in the alert record
	StartedAt     time.Time      `json:"started_at"`
	DetectedAt    time.Time      `json:"detected_at"`
	UpdatedAt     time.Time      `json:"updated_at"`
	EndedAt       *time.Time     `json:"ended_at"`
	Ratio         *float64       `json:"ratio"`
	UsersAffected int            `json:"users_affected"`
	Overcharge    event.Sum      `json:"overcharge_credits"`
	MergedInto    *string        `json:"merged_into"`
	Headline      string         `json:"headline"`
	Acknowledged  bool           `json:"acknowledged"`
	Label         *labelled      `json:"label"`
}

type incidentList struct {
	Incidents  []incidentItem `json:"incidents"`
	NextCursor *string        `json:"next_cursor"`
}

// remarked is who said something, and when.
type remarked struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

type labelled struct {
	Class string `json:"class"`
	Cause string `json:"cause"`
	remarked
}

type noted struct {
	Text string `json:"text"`
	remarked
}

// said is what people said of an incident.
type said struct {
	Acknowledgement *remarked `json:"acknowledgement"`
	Label           *labelled `json:"label"`
	Notes           []noted   `json:"notes"`
}

type ruledOut struct {
	What string `json:"what"`
	By   string `json:"by"`
}

type change struct {
	Revision int       `json:"revision"`
	At       time.Time `json:"at"`
	Status   string    `json:"status"`
	What     []string  `json:"what"`
}

// incidentDetail is everything about one incident.
type incidentDetail struct {
	Alert       incident.Record     `json:"alert"` // the contract's own form
	Headline    string              `json:"headline"`
	Who         string              `json:"who"`
	Began       string              `json:"began"`
	Sure        string              `json:"sure"`
	For         []incident.Evidence `json:"for"`
	Against     []incident.Evidence `json:"against"`
	RuledOut    []ruledOut          `json:"ruled_out"`
	AlsoMoved   []ruledOut          `json:"also_moved"`
	WouldChange []string            `json:"would_change"`
	Next        string              `json:"next"`
	Timeline    []change            `json:"timeline"`
	Missing     int                 `json:"missing_revisions"`
	MergedInto  *string             `json:"merged_into"`
	said
}

func (s *Server) incidents(w http.ResponseWriter, r *http.Request) error {
	p, err := readParams(r)
	if err != nil {
		return err
	}
	now := s.head()
	f := incidentFilter{
		status: p.choice("status", []string{"firing", "resolved"}), class: p.choice("class", sortedKeys(causes)),
		from: p.moment("from", now), to: p.moment("to", now), limit: p.limit(usualPage, maxPage),
	}
	if c := p.cursor(2); c != nil {
		ns, err := strconv.ParseInt(c[0], 10, 64)
		if err != nil {
			p.refuse("cursor", "is none of this program's; take next_cursor of the page before, or leave it out")
		}
		f.after = &place{time.Unix(0, ns).UTC(), c[1]}
	}
	checkOrder(p, f.from, f.to)
	if err := p.done(); err != nil {
		return err
	}
	found, more := s.o.Board.list(&f)
	out := incidentList{Incidents: []incidentItem{}}
	for i := range found {
		out.Incidents = append(out.Incidents, s.item(&found[i]))
	}
	if more {
		last := &found[len(found)-1]
		out.NextCursor = nextCursor(strconv.FormatInt(last.opened.UnixNano(), 10), last.latest.Incident)
	}
	write(w, http.StatusOK, "application/json", out)
	return nil
}

func checkOrder(p *params, from, to time.Time) {
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		p.refuse("from", "does not lie before to; swap them")
	}
}

func (s *Server) item(e *entry) incidentItem {
	r := &e.latest
	x := s.saidOf(r.Incident)
	return incidentItem{
		Incident: r.Incident, Revision: r.Revision, Status: string(r.Status), Class: r.Class, Cause: r.Cause, Severity: string(r.Severity),
		Confidence: r.Confidence, Scope: r.Scope, StartedAt: r.StartedAt, DetectedAt: r.DetectedAt, UpdatedAt: r.UpdatedAt, EndedAt: r.EndedAt,
		Ratio: r.Ratio, UsersAffected: r.UsersAffected, Overcharge: r.Overcharge, MergedInto: r.MergedInto,
		Headline: incident.Headline(r), Acknowledged: x.Acknowledgement != nil, Label: x.Label,
	}
}

func (s *Server) saidOf(id string) said {
	x := s.o.Journal.of(id)
	out := said{Notes: []noted{}}
	if x.ack != nil {
		out.Acknowledgement = &remarked{x.ack.By, x.ack.At}
	}
	if x.label != nil {
		out.Label = &labelled{x.label.Class, x.label.Cause, remarked{x.label.By, x.label.At}}
	}
	for _, n := range x.notes {
		out.Notes = append(out.Notes, noted{n.Text, remarked{n.By, n.At}})
	}
	return out
}

// find returns the incident that a path names.
func (s *Server) find(r *http.Request) (entry, error) {
	id := r.PathValue("id")
	e, ok := s.o.Board.one(id)
	if !ok {
		return e, newProblem(http.StatusNotFound, fmt.Sprintf("there is no incident %s; /api/v1/incidents lists those that there are", quoted(id)))
	}
	return e, nil
}

// findOnly is find for paths that take no parameters.
func (s *Server) findOnly(r *http.Request) (entry, error) {
	p, err := readParams(r)
	if err == nil {
		err = p.done()
	}
	if err != nil {
		return entry{}, err
	}
	return s.find(r)
}

func (s *Server) incident(w http.ResponseWriter, r *http.Request) error {
	e, err := s.findOnly(r)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, "application/json", s.detail(&e))
	return nil
}

func (s *Server) detail(e *entry) incidentDetail {
	x := incident.ExplainOne(e.latest)
	d := incidentDetail{
		Alert: x.Alert, Headline: x.Headline, Who: x.Who, Began: x.Began, Sure: x.Sure, For: x.For, Against: x.Against, RuledOut: []ruledOut{}, AlsoMoved: []ruledOut{},
		WouldChange: x.WouldChange, Next: x.Next, Timeline: []change{}, Missing: e.latest.Revision - len(e.changes), MergedInto: e.latest.MergedInto,
		said: s.saidOf(e.latest.Incident),
	}
	for _, o := range x.RuledOut {
		d.RuledOut = append(d.RuledOut, ruledOut(o))
	}
	for _, o := range x.AlsoMoved {
		d.AlsoMoved = append(d.AlsoMoved, ruledOut(o))
	}
	for _, c := range e.changes {
		d.Timeline = append(d.Timeline, change{c.Revision, c.At, string(c.Status), c.What})
	}
	return d
}

// affectedUser is one user of an incident; the figures are null where nothing is owed under its verdict.
type affectedUser struct {
	User       string     `json:"user"`
	Rows       *int64     `json:"rows"`
	Charged    *event.Sum `json:"charged_credits"`
	Expected   *event.Sum `json:"expected_credits"`
	Overcharge *event.Sum `json:"overcharge_credits"`
	FirstAt    *time.Time `json:"first_at"`
	LastAt     *time.Time `json:"last_at"`
}

type affectedList struct {
	Incident   string         `json:"incident"`
	Total      int            `json:"total"` // users that are listed, over all pages
	Users      []affectedUser `json:"users"`
	NextCursor *string        `json:"next_cursor"`
}

// booked returns the ledger's rows of an incident, the largest overcharge first.
func (s *Server) booked(id string) []ledgers.Row {
	e := s.o.Engine()
	if e == nil {
		return nil
	}
	rows := e.Ledger()
	i, _ := slices.BinarySearchFunc(rows, id, func(r ledgers.Row, id string) int { return cmp.Compare(r.Incident, id) })
	k := i
	for k < len(rows) && rows[k].Incident == id {
		k++
	}
	return rows[i:k]
}

func (s *Server) affected(w http.ResponseWriter, r *http.Request) error {
	p, err := readParams(r)
	if err != nil {
		return err
	}
	limit := p.limit(usualPage, maxPage)
	last := p.cursor(1)
	if err := p.done(); err != nil {
		return err
	}
	e, err := s.find(r)
	if err != nil {
		return err
	}
	all := s.usersOf(&e)
	out := affectedList{Incident: e.latest.Incident, Total: len(all), Users: []affectedUser{}}
	start := 0
	if last != nil { // after the user that the page before ended with, wherever that one stands now
		start = 1 + slices.IndexFunc(all, func(u affectedUser) bool { return u.User == last[0] })
		if start == 0 {
			return newProblem(http.StatusGone, "the user that the page before ended with is no longer listed: figures were booked anew; start again without cursor")
		}
	}
	end := min(start+limit, len(all))
	out.Users = append(out.Users, all[start:end]...)
	if end < len(all) {
		out.NextCursor = nextCursor(all[end-1].User)
	}
	write(w, http.StatusOK, "application/json", out)
	return nil
}

// usersOf lists who an incident hits: those in the ledger, else those that its scope names.
func (s *Server) usersOf(e *entry) []affectedUser {
	rows := s.booked(e.latest.Incident)
	out := make([]affectedUser, 0, len(rows))
	for i := range rows {
		b := &rows[i]
		over := b.Overcharge()
		out = append(out, affectedUser{b.User, &b.Rows, &b.Charged, &b.Expected, &over, &b.FirstAt, &b.LastAt})
	}
	if len(out) > 0 {
		return out
	}
	names := e.latest.Scope.Users
	if e.latest.Scope.User != "" {
		names = []string{e.latest.Scope.User}
	}
	for _, u := range names {
		out = append(out, affectedUser{User: u})
	}
	return out
}

func (s *Server) ledger(w http.ResponseWriter, r *http.Request) error {
	e, err := s.findOnly(r)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="ledger.csv"`)
	return ledgers.WriteCSV(w, s.booked(e.latest.Incident))
}
