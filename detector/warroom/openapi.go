package warroom

import (
	_ "embed" // for the document below
	"net/http"
)

// document is the OpenAPI 3.1 description, written by hand; a test holds it against the handlers, every path and field.
//
//go:embed openapi.json
var document []byte

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document)
	return nil
}
