package warroom

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// spec is the part of OpenAPI and JSON Schema that the document uses.
type spec struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			Name, In string
		}
		RequestBody struct {
			Content map[string]struct{ Schema map[string]any }
		}
		Responses map[string]response
	}
	Components struct {
		Responses map[string]response
		Schemas   map[string]map[string]any
	}
	seen map[string]bool // schema.property that an answer held
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{ Schema map[string]any }
}

func readSpec(t testing.TB) *spec {
	t.Helper()
	s := &spec{seen: map[string]bool{}}
	if err := json.Unmarshal(document, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// check returns what is wrong with a value, "" if nothing is.
func (s *spec) check(schema map[string]any, v any, at string) string {
	if ref, ok := schema["$ref"].(string); ok {
		name := ref[strings.LastIndex(ref, "/")+1:]
		target, ok := s.Components.Schemas[name]
		if !ok {
			return at + ": no schema " + name
		}
		return s.check(target, v, name)
	}
	if options, ok := schema["oneOf"].([]any); ok {
		faults := []string{}
		for _, o := range options {
			f := s.check(o.(map[string]any), v, at)
			if f == "" {
				return ""
			}
			faults = append(faults, f)
		}
		return strings.Join(faults, "; ")
	}
	types := []any{}
	switch x := schema["type"].(type) {
	case string:
		types = []any{x}
	case []any:
		types = x
	}
	kind := kindOf(v)
	if !slices.Contains(types, any(kind)) && !(kind == "integer" && slices.Contains(types, any("number"))) {
		return fmt.Sprintf("%s: is %s, not %v", at, kind, types)
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Sprintf("%s: %v is none of %v", at, v, enum)
	}
	if c, ok := schema["const"]; ok && c != v {
		return fmt.Sprintf("%s: %v is not %v", at, v, c)
	}
	switch x := v.(type) {
	case string:
		if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(x) {
			return fmt.Sprintf("%s: %q does not match %s", at, x, p)
		}
		if _, err := time.Parse(time.RFC3339Nano, x); schema["format"] == "date-time" && err != nil {
			return fmt.Sprintf("%s: %q is no time", at, x)
		}
	case []any:
		for i, e := range x {
			if f := s.check(schema["items"].(map[string]any), e, at+"["+strconv.Itoa(min(i, 1))+"]"); f != "" {
				return f
			}
		}
	case map[string]any:
		return s.checkObject(schema, x, at)
	}
	return ""
}

func (s *spec) checkObject(schema, x map[string]any, at string) string {
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(x)) {
		p, ok := properties[name].(map[string]any)
		if !ok {
			if p, ok = schema["additionalProperties"].(map[string]any); !ok {
				if properties == nil {
					continue
				}
				return at + ": " + name + " is not described"
			}
		}
		s.seen[at+"."+name] = true
		if f := s.check(p, x[name], at+"."+name); f != "" {
			return f
		}
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := x[name.(string)]; !ok {
			return fmt.Sprintf("%s: %v is missing", at, name)
		}
	}
	return ""
}

func kindOf(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case float64:
		if x == float64(int64(x)) {
			return "integer"
		}
		return "number"
	}
	return "object"
}

// paths of the document, as the mux knows them.
func muxPath(p string) string {
	if p == "/" {
		return "/{$}"
	}
	return p
}

func TestEveryRouteIsDescribed(t *testing.T) {
	var described []string
	for path, methods := range readSpec(t).Paths {
		for m := range methods {
			described = append(described, strings.ToUpper(m)+" "+muxPath(path))
		}
	}
	routes := slices.Clone(server(t).routes)
	slices.Sort(routes)
	slices.Sort(described)
	if !slices.Equal(routes, described) {
		t.Errorf("answered:\n%s\ndescribed:\n%s", strings.Join(routes, "\n"), strings.Join(described, "\n"))
	}
}

// Every answer is as described, every described answer is given, and every described field is seen.
func TestAnswersAreAsDescribed(t *testing.T) {
	doc := readSpec(t)
	s := server(t)
	incident := "/api/v1/incidents/" + owed(t).Incident
	user := "/api/v1/users/" + url.PathEscape(someUser(t))
	const get, post = http.MethodGet, http.MethodPost
	gone := incident + "/users?cursor=" + *nextCursor("nobody")
	big := `{"text":"` + strings.Repeat("x", maxBody) + `"}`
	covered := map[string]bool{}
	for _, c := range []struct {
		method, target, body, route string
		status                      int
	}{
		{get, "/", "", "/", 200},
		{get, "/incidents/inc_0000000001", "", "/incidents/{id}", 200},
		{get, "/incidents/nowhere", "", "/incidents/{id}", 404},
		{get, "/api/v1/openapi.json", "", "/api/v1/openapi.json", 200},
		{post, incident + "/ack", `{"by":"ann"}`, "/api/v1/incidents/{id}/ack", 200},
		{post, incident + "/ack", ``, "/api/v1/incidents/{id}/ack", 200},
		{post, incident + "/label", `{"class":"metering_bug","cause":"price","by":"ann"}`, "/api/v1/incidents/{id}/label", 200},
		{post, incident + "/note", `{"text":"rolled back"}`, "/api/v1/incidents/{id}/note", 200},
		{post, incident + "/ack", `{"text":"x"}`, "/api/v1/incidents/{id}/ack", 400},
		{post, incident + "/label", `{"class":"x"}`, "/api/v1/incidents/{id}/label", 400},
		{post, incident + "/label", `{"class":"abuse","cause":"price"}`, "/api/v1/incidents/{id}/label", 400},
		{post, incident + "/note", `{"text":" "}`, "/api/v1/incidents/{id}/note", 400},
		{post, incident + "/note", `{"text":"x"} {}`, "/api/v1/incidents/{id}/note", 400},
		{post, incident + "/note", "{\"text\":\"\xff\"}", "/api/v1/incidents/{id}/note", 400},
		{post, incident + "/note", `{"txt":"x"}`, "/api/v1/incidents/{id}/note", 400},
		{post, "/api/v1/incidents/x/ack", `{}`, "/api/v1/incidents/{id}/ack", 404},
		{post, "/api/v1/incidents/x/label", `{}`, "/api/v1/incidents/{id}/label", 404},
		{post, "/api/v1/incidents/x/note", `{}`, "/api/v1/incidents/{id}/note", 404},
		{post, incident + "/ack", big, "/api/v1/incidents/{id}/ack", 413},
		{post, incident + "/label", big, "/api/v1/incidents/{id}/label", 413},
		{post, incident + "/note", big, "/api/v1/incidents/{id}/note", 413},
		{get, "/api/v1/incidents", "", "/api/v1/incidents", 200},
		{get, "/api/v1/incidents?limit=1&status=resolved&class=metering_bug&from=2026-06-01T00:00:00Z&to=-0s", "", "/api/v1/incidents", 200},
		{get, "/api/v1/incidents?status=open", "", "/api/v1/incidents", 400},
		{get, incident, "", "/api/v1/incidents/{id}", 200},
		{get, "/api/v1/incidents/inc_0000000001", "", "/api/v1/incidents/{id}", 200},
		{get, incident + "?x=1", "", "/api/v1/incidents/{id}", 400},
		{get, "/api/v1/incidents/x", "", "/api/v1/incidents/{id}", 404},
		{get, incident + "/users?limit=2", "", "/api/v1/incidents/{id}/users", 200},
		{get, "/api/v1/incidents/inc_0000000001/users", "", "/api/v1/incidents/{id}/users", 200},
		{get, incident + "/users?limit=0", "", "/api/v1/incidents/{id}/users", 400},
		{get, "/api/v1/incidents/x/users", "", "/api/v1/incidents/{id}/users", 404},
		{get, gone, "", "/api/v1/incidents/{id}/users", 410},
		{get, incident + "/ledger.csv", "", "/api/v1/incidents/{id}/ledger.csv", 200},
		{get, incident + "/ledger.csv?x=", "", "/api/v1/incidents/{id}/ledger.csv", 400},
		{get, "/api/v1/incidents/x/ledger.csv", "", "/api/v1/incidents/{id}/ledger.csv", 404},
		{get, "/api/v1/cohorts", "", "/api/v1/cohorts", 200},
		{get, "/api/v1/cohorts?by=plan,region&where=plan%3Dpro&where=plan%3Dfree&where=region%3Deu-west-1&from=-12h&step=1h&measure=price&limit=1", "", "/api/v1/cohorts", 200},
		{get, "/api/v1/cohorts?by=planet", "", "/api/v1/cohorts", 400},
		{get, "/api/v1/cohorts?measure=fame", "", "/api/v1/cohorts", 400},
		{get, user, "", "/api/v1/users/{user}", 200},
		{get, user + "?x", "", "/api/v1/users/{user}", 400},
		{get, "/api/v1/users/nobody", "", "/api/v1/users/{user}", 404},
		{get, "/api/v1/thresholds", "", "/api/v1/thresholds", 200},
		{get, "/api/v1/thresholds?x=1", "", "/api/v1/thresholds", 400},
		{http.MethodPut, "/api/v1/thresholds", "{}", "/api/v1/thresholds", 501},
	} {
		w := ask(s, c.method, c.target, c.body)
		name := c.method + " " + c.target
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %.200s", name, w.Code, c.status, w.Body)
			continue
		}
		operation := doc.Paths[c.route][strings.ToLower(c.method)]
		r, ok := operation.Responses[strconv.Itoa(w.Code)]
		if !ok {
			t.Errorf("%s: status %d is not described", name, w.Code)
			continue
		}
		if r.Ref != "" {
			r = doc.Components.Responses[r.Ref[strings.LastIndex(r.Ref, "/")+1:]]
		}
		media, ok := r.Content[w.Header().Get("Content-Type")]
		if !ok {
			t.Errorf("%s: content type %q is not described", name, w.Header().Get("Content-Type"))
			continue
		}
		covered[c.method+" "+c.route+" "+strconv.Itoa(w.Code)] = true
		if strings.HasSuffix(w.Header().Get("Content-Type"), "json") {
			if fault := doc.check(media.Schema, decode[any](t, w), c.route); fault != "" {
				t.Errorf("%s: %s", name, fault)
			}
		}
	}
	// 421 and 503 are the same everywhere, 403 and 415 for every POST and 507 for the journal: tests of their own below.
	elsewhere := []string{"403", "415", "421", "503", "507"}
	for path, methods := range doc.Paths {
		for m, o := range methods {
			for status := range o.Responses {
				if at := strings.ToUpper(m) + " " + path + " " + status; !covered[at] && !slices.Contains(elsewhere, status) {
					t.Errorf("%s is described and was not seen", at)
				}
			}
		}
	}
	for name, schema := range doc.Components.Schemas {
		if name == "Ack" || name == "LabelBody" || name == "NoteBody" {
			continue // sent, not answered
		}
		properties, _ := schema["properties"].(map[string]any)
		for p := range properties {
			if !doc.seen[name+"."+p] && name+"."+p != "Scope.user" {
				t.Errorf("%s.%s is described and no answer held it", name, p)
			}
		}
	}
}

// Parameters of the document are those of the handlers: each is taken, and one more is refused.
func TestParametersAreAsDescribed(t *testing.T) {
	s := server(t)
	for path, methods := range readSpec(t).Paths {
		o, ok := methods["get"]
		if !ok || !strings.HasPrefix(path, "/api/v1/") || path == "/api/v1/openapi.json" {
			continue
		}
		target := strings.NewReplacer("{id}", owed(t).Incident, "{user}", url.PathEscape(someUser(t))).Replace(path)
		w := ask(s, http.MethodGet, target+"?no_such_parameter=1", "")
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s takes a parameter that there is not: %d", path, w.Code)
		}
		var known []string
		for _, p := range o.Parameters {
			if p.In == "query" {
				known = append(known, p.Name)
			}
		}
		said := decode[problem](t, w).Detail
		for _, k := range known {
			if !strings.Contains(said, k) {
				t.Errorf("%s: %s is described, and the handler says %q", path, k, said)
			}
		}
		if i := strings.Index(said, "use "); i >= 0 {
			if n := strings.Count(said[i:], ",") + 1; n != len(known) {
				t.Errorf("%s: %d parameters are described, and the handler says %q", path, len(known), said)
			}
		}
	}
	text := string(document)
	for _, m := range measures {
		if !strings.Contains(text, m.name+" ("+m.unit+"): "+m.what) {
			t.Errorf("measure %s is not documented as it is", m.name)
		}
	}
}
