package warroom

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector"
)

// Options configure a Server. Engine, Board and Journal are mandatory.
type Options struct {
	Engine  func() *detector.Engine // what is asked; nil while it starts
	Board   *Board                  // the incidents
	Journal *Journal                // what people say of them
	Ready   func() error            // why figures may be of an earlier time, nil if they are not; shown as a banner

	// Elsewhere, where instances share the work, has a question answered by the one that knows: of a user, or, with none, of what was
	// decided. It returns nil if that is this one. nil is always.
	Elsewhere func(r *http.Request, user string) (*Answer, error)

	Thresholds    Thresholds
	ConfigVersion string
	Title         string   // of the page
	Hosts         []string // names that the listener is reached by, besides those of the machine itself

	AtOnce     int // GET requests answered at once; more are refused with 503. 0 is 16
	Log        zerolog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // nil is time.Now
}

// Deadlines of questions.
const (
	usualAtOnce  = 16
	userDeadline = 2 * time.Second
)

// Server answers. Its Handler may be used by any number of goroutines.
type Server struct {
	o       Options
	slots   chan struct{}
	mux     *http.ServeMux
	routes  []string // as they were registered
	seconds *prometheus.HistogramVec
	shed    prometheus.Counter
}

// New returns a server.
func New(o Options) (*Server, error) {
	if o.Engine == nil || o.Board == nil || o.Journal == nil {
		return nil, errors.New("configure war room: engine, board and journal are mandatory")
	}
	if o.AtOnce == 0 {
		o.AtOnce = usualAtOnce
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	f := promauto.With(o.Registerer)
	s := &Server{
		o: o, slots: make(chan struct{}, o.AtOnce), mux: http.NewServeMux(),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "drainwatch_api_seconds", Help: "How long requests took, by route and status.", Buckets: []float64{.001, .005, .02, .05, .2, 1, 5},
		}, []string{"route", "status"}),
		shed: f.NewCounter(prometheus.CounterOpts{Name: "drainwatch_api_shed_total", Help: "Requests that were refused because too many were being answered."}),
	}
	s.route("GET /{$}", s.page)
	s.route("GET /incidents/{id}", s.incidentPage)
	s.route("GET /api/v1/openapi.json", s.openAPI)
	s.route("GET /api/v1/incidents", s.incidents)
	s.route("GET /api/v1/incidents/{id}", s.incident)
	s.route("GET /api/v1/incidents/{id}/users", s.whoeverKnows(s.affected))
	s.route("GET /api/v1/incidents/{id}/ledger.csv", s.whoeverKnows(s.ledger))
	s.route("POST /api/v1/incidents/{id}/ack", s.ack)
	s.route("POST /api/v1/incidents/{id}/label", s.label)
	s.route("POST /api/v1/incidents/{id}/note", s.note)
	s.route("GET /api/v1/cohorts", s.whoeverKnows(s.cohorts))
	s.route("GET /api/v1/users/{user}", s.whoeverKnows(s.user))
	s.route("GET /api/v1/thresholds", s.thresholds)
	s.route("PUT /api/v1/thresholds", s.noThresholds)
	return s, nil
}

// route registers a handler, whose error is answered as a problem.
func (s *Server) route(pattern string, h func(http.ResponseWriter, *http.Request) error) {
	s.routes = append(s.routes, pattern)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.o.Now()
	answer := &answer{ResponseWriter: w, status: http.StatusOK}
	s.guard(answer, r)
	route := r.Pattern
	if route == "" {
		route = "none"
	}
	s.seconds.WithLabelValues(route, strconv.Itoa(answer.status)).Observe(s.o.Now().Sub(start).Seconds())
}

// answer notes the status, and turns what the mux itself says into problems.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// guard refuses what should not be answered, and sets what holds for every answer.
func (s *Server) guard(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if err := s.admit(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			s.shed.Inc()
			s.fail(w, r, notReady(fmt.Sprintf("%d requests are being answered; try again in a second", s.o.AtOnce)))
			return
		}
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.fail(w, r, s.nowhere(w, r))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// nowhere is the problem of a path or a method that there is not.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) == 0 {
		return newProblem(http.StatusNotFound, "there is no such path; /api/v1/openapi.json lists those that there are")
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return newProblem(http.StatusMethodNotAllowed, r.Method+" is not answered here; use "+strings.Join(allowed, " or "))
}

// admit refuses requests that a browser was made to send by another site.
func (s *Server) admit(r *http.Request) error {
	if !s.ours(r.Host) {
		return newProblem(http.StatusMisdirectedRequest, "the Host header names another machine; reach this one by 127.0.0.1 or localhost, or set listen.url to the name that it has")
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host != r.Host {
			return newProblem(http.StatusForbidden, "the request comes from a page of another site")
		}
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Method == http.MethodPost && (err != nil || media != "application/json") {
		return newProblem(http.StatusUnsupportedMediaType, "send JSON, with the header Content-Type: application/json")
	}
	return nil
}

// ours says whether a Host header names this machine. An address cannot be rebound by somebody's name server; a name can.
func (s *Server) ours(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return host == "localhost" || slices.Contains(s.o.Hosts, host)
}

// contentPolicy lets a page load nothing but its own style.
var contentPolicy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
}()
