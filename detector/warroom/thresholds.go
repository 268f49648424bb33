package warroom

import (
	"net/http"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Thresholds are what decides what is found and who is woken.
type Thresholds struct {
	Severity detector.SeverityRules
	Rules    detector.Thresholds
}

type thresholdRule struct {
	Name      string  `json:"name"`
	What      string  `json:"what"`
	Unit      string  `json:"unit"`
	Loudest   string  `json:"loudest"` // severity that it raises by default
	Threshold float64 `json:"threshold"`
	Default   float64 `json:"default"`
	Least     float64 `json:"least"`
}

type thresholdSeverity struct {
	PageFactor float64   `json:"page_factor"`
	MinUsers   int       `json:"min_users"`
	Material   event.Sum `json:"material_credits"`
}

type thresholdAnswer struct {
	ConfigVersion string            `json:"config_version"`
	Severity      thresholdSeverity `json:"severity"`
	Rules         []thresholdRule   `json:"rules"`
	Editable      bool              `json:"editable"`
}

func (s *Server) thresholds(w http.ResponseWriter, r *http.Request) error {
	p, err := readParams(r)
	if err == nil {
		err = p.done()
	}
	if err != nil {
		return err
	}
	t := &s.o.Thresholds
	a := thresholdAnswer{
		ConfigVersion: s.o.ConfigVersion, Severity: thresholdSeverity{PageFactor: t.Severity.PageFactor, MinUsers: t.Severity.MinUsers}, Rules: []thresholdRule{},
	}
	a.Severity.Material.Add(t.Severity.MaterialCredits)
	for k := range detector.NumRules {
		i := k.Info()
		a.Rules = append(a.Rules, thresholdRule{i.Name, i.What, i.Unit, string(i.Loudest), t.Rules[k], i.Default, i.Least})
	}
	write(w, http.StatusOK, "application/json", a)
	return nil
}

func (s *Server) noThresholds(http.ResponseWriter, *http.Request) error {
	return newProblem(http.StatusNotImplemented, "thresholds cannot be changed here yet: set thresholds and severity in the configuration file, try them with config check, and start the program anew")
}
