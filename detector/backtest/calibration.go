package backtest

import (
	"fmt"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/stats"
)

// calibrationBins is into how many bins stated confidences are sorted.
const calibrationBins = 10

// Calibration says whether confidences keep their word: of what is said with 0.9, nine in ten should be of the class named.
type Calibration struct {
	Records int              `json:"records"`
	Error   float64          `json:"expected_calibration_error"` // stats.ExpectedCalibrationError; 0 without records
	Bins    []CalibrationBin `json:"bins"`                       // those that hold records, ascending
}

// CalibrationBin is what became of the records with a confidence in (Low, High].
type CalibrationBin struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"` // mean of those stated
	Right      Share   `json:"class_right"`
}

// Calibration compares the confidence of each final record with whether its class is right. A record that no label explains
// is wrong; what is only kept on record (info) and matches no label is left out, for nobody knows what the crowd was up to.
func (c *Card) Calibration() (Calibration, error) {
	said, right := c.Confidences()
	bins, err := stats.Reliability(said, right, calibrationBins)
	if err != nil {
		return Calibration{}, fmt.Errorf("calibrate confidences of %d records: %w", len(said), err)
	}
	out := Calibration{Records: len(said), Bins: []CalibrationBin{}}
	for _, b := range bins {
		if b.N > 0 {
			out.Bins = append(out.Bins, CalibrationBin{b.Low, b.High, b.Confidence, newShare(b.Hits, b.N)})
		}
	}
	if len(said) > 0 {
		out.Error = stats.ExpectedCalibrationError(bins)
	}
	return out, nil
}

// Confidences returns what Calibration compares: the confidence of each record, and whether its class is right.
func (c *Card) Confidences() (said []float64, right []bool) {
	for i := range c.runs {
		s := &c.runs[i].Score
		for j := range s.Matches {
			said, right = append(said, s.Matches[j].Record.Confidence), append(right, s.Matches[j].Class)
		}
		for j := range s.Extra {
			if s.Extra[j].Severity != incident.Info {
				said, right = append(said, s.Extra[j].Confidence), append(right, false)
			}
		}
	}
	return said, right
}
