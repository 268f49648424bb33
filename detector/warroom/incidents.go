package warroom

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	ledgers "github.com/drainwatch/drainwatch/detector/ledger"
)

// causes are the contract's, by class: what a label may say.
var causes = map[string][]string{
	"metering_bug":   {"price", "duplicate_charge", "cache_discount_lost", "token_count", "penalty", "failures_charged", "window"},
	"client_bug":     {"request_loop", "background_work", "context_bloat", "cache_miss"},
	"abuse":          {"stolen_key", "shared_account", "scripted_drain", "farming"},
	"organic":        {"surge", "power_user"},
	"under_metering": {"price", "lost_rows", "token_count"},
	"unknown":        {"unknown"},
}

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
		Alert: x.Alert, Headline: x.Headline, Who: x.Who, Sure: x.Sure, For: x.For, Against: x.Against, RuledOut: []ruledOut{}, AlsoMoved: []ruledOut{},
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

// remarkBody is what a POST may carry.
type remarkBody struct {
	By    string `json:"by"`
	Class string `json:"class"`
	Cause string `json:"cause"`
	Text  string `json:"text"`
}

func (s *Server) ack(w http.ResponseWriter, r *http.Request) error {
	return s.remark(w, r, "ack", func(b *remarkBody) (faults []fault) {
		return only(b, "", faults)
	})
}

func (s *Server) label(w http.ResponseWriter, r *http.Request) error {
	return s.remark(w, r, "label", func(b *remarkBody) (faults []fault) {
		named, ok := causes[b.Class]
		switch {
		case !ok:
			faults = append(faults, fault{"class", fmt.Sprintf("%s is no class; use one of %s", quoted(b.Class), strings.Join(sortedKeys(causes), ", "))})
		case b.Cause != "" && !slices.Contains(named, b.Cause):
			faults = append(faults, fault{"cause", fmt.Sprintf("%s is no cause of %s; use one of %s, or leave it out", quoted(b.Cause), b.Class, strings.Join(named, ", "))})
		}
		return only(b, "label", faults)
	})
}

func (s *Server) note(w http.ResponseWriter, r *http.Request) error {
	return s.remark(w, r, "note", func(b *remarkBody) (faults []fault) {
		if strings.TrimSpace(b.Text) == "" || len(b.Text) > maxText {
			faults = append(faults, fault{"text", fmt.Sprintf("has %d bytes; write 1 to %d", len(b.Text), maxText)})
		}
		return only(b, "note", faults)
	})
}

// only refuses fields that a kind of remark does not have.
func only(b *remarkBody, kind string, faults []fault) []fault {
	if kind != "label" && b.Class+b.Cause != "" {
		faults = append(faults, fault{"class", "belongs to a label; leave it out here"})
	}
	if kind != "note" && b.Text != "" {
		faults = append(faults, fault{"text", "belongs to a note; leave it out here"})
	}
	if len(b.By) > maxName {
		faults = append(faults, fault{"by", fmt.Sprintf("has %d bytes; write at most %d", len(b.By), maxName)})
	}
	return faults
}

// remark keeps what somebody says of an incident and answers with all that was said.
func (s *Server) remark(w http.ResponseWriter, r *http.Request, kind string, check func(*remarkBody) []fault) error {
	e, err := s.findOnly(r)
	if err != nil {
		return err
	}
	var b remarkBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if faults := check(&b); len(faults) > 0 {
		return badRequest(faults)
	}
	id := e.latest.Incident
	err = s.o.Journal.write(remark{V: 1, At: s.o.Now().UTC(), Incident: id, Kind: kind, By: b.By, Class: b.Class, Cause: b.Cause, Text: b.Text})
	if err != nil {
		return err
	}
	write(w, http.StatusOK, "application/json", s.saidOf(id))
	return nil
}

// readBody reads one JSON object with known fields; an empty body is an empty object.
func readBody(w http.ResponseWriter, r *http.Request, v any) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is too large; at most %d bytes are read", maxBody))
		}
		return newProblem(http.StatusBadRequest, "the body could not be read to its end")
	}
	if !utf8.Valid(raw) {
		return newProblem(http.StatusBadRequest, "the body is not UTF-8")
	}
	if len(raw) == 0 {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return newProblem(http.StatusBadRequest, "the body is no JSON object as described by /api/v1/openapi.json: "+quoted(err.Error()))
	}
	if d.More() {
		return newProblem(http.StatusBadRequest, "the body holds more than one JSON value; send one")
	}
	return nil
}
