package warroom

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

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
	err = s.o.Journal.write(r.Context(), remark{V: 1, At: s.o.Now().UTC(), Incident: id, Kind: kind, By: b.By, Class: b.Class, Cause: b.Cause, Text: b.Text})
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
