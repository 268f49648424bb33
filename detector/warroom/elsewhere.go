package warroom

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
)

// Answer is what a question was answered with, elsewhere.
type Answer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// passed are the headers of an answer that go with it; the others are whoever passes it on's own.
var passed = []string{"Content-Type", "Content-Disposition", "Retry-After"}

type hereKey struct{}

// whoeverKnows has a question answered by another instance where that is the one that knows.
func (s *Server) whoeverKnows(h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.o.Elsewhere == nil || r.Context().Value(hereKey{}) != nil {
			return h(w, r)
		}
		a, err := s.o.Elsewhere(r, r.PathValue("user"))
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			return notReady("the instance that knows did not answer in time; try again")
		case err != nil:
			return err
		case a == nil:
			return h(w, r)
		}
		for _, name := range passed {
			if v := a.Header.Get(name); v != "" {
				w.Header().Set(name, v)
			}
		}
		w.WriteHeader(a.Status)
		_, _ = w.Write(a.Body)
		return nil
	}
}

// Here answers a question that another instance was asked: a path of the API with its query. Nobody else is asked in turn.
func (s *Server) Here(ctx context.Context, target string) Answer {
	a := Answer{Status: http.StatusOK, Header: http.Header{}}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return Answer{Status: http.StatusBadRequest}
	}
	r := (&http.Request{Method: http.MethodGet, URL: u, Host: "localhost", Header: http.Header{}}).WithContext(context.WithValue(ctx, hereKey{}, true))
	w := &recorder{answer: &a, all: http.Header{}}
	s.ServeHTTP(w, r)
	for _, name := range passed {
		if v := w.all.Get(name); v != "" {
			a.Header.Set(name, v)
		}
	}
	a.Body = w.body.Bytes()
	return a
}

// recorder is a ResponseWriter that keeps what was written.
type recorder struct {
	answer *Answer
	all    http.Header
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.all }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) { w.answer.Status = status }

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }
