package warroom

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// problem is an RFC 9457 problem document, and the error that becomes one.
type problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"` // what failed, on what, and what to do
	Errors []fault `json:"errors,omitempty"`

	retryAfter int // seconds; 0 leaves the header out
}

// fault is what is wrong with one parameter or field.
type fault struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Detail }

func newProblem(status int, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

func notReady(detail string) *problem {
	p := newProblem(http.StatusServiceUnavailable, detail)
	p.retryAfter = 1
	return p
}

// fail answers with an error: a problem as it is, anything else as a fault of the program, which is logged.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		s.o.Log.Error().Err(err).Str("route", r.Pattern).Msg("api: request failed")
		p = newProblem(http.StatusInternalServerError, "this request failed inside the program; its log says why")
	}
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	write(w, p.Status, "application/problem+json", p)
}

// write encodes before anything is sent, so that a status is never taken back.
func write(w http.ResponseWriter, status int, contentType string, v any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		status, contentType = http.StatusInternalServerError, "application/problem+json"
		b.Reset()
		b.WriteString(`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the answer could not be encoded"}`)
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
