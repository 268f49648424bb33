package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/incident"
)

const plotWidth, plotHeight = 9 * vg.Inch, 5 * vg.Inch

// plotColors can be told apart by people who see red and green alike (Okabe and Ito, Color Universal Design, 2008).
var plotColors = []color.Color{
	color.RGBA{0x00, 0x72, 0xb2, 0xff},
	color.RGBA{0xd5, 0x5e, 0x00, 0xff},
	color.RGBA{0x00, 0x9e, 0x73, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff},
	color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	color.RGBA{0x56, 0xb4, 0xe9, 0xff},
}

var plotGray = color.Gray{0x80}

// writePlots draws the card into PNG files of a directory, which it makes if need be.
func writePlots(dir string, seeds seedRange, trials []*trial, card *backtest.Card) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write plots: %w; name another directory with --plots", err)
	}
	calibration, err := card.Calibration()
	if err != nil {
		return err
	}
	delays, err := plotDelays(card, fmt.Sprintf("%s, %s", count(int64(len(trials)), "world", "worlds"), seeds))
	if err == nil {
		err = savePlot(delays, dir, "delays.png")
	}
	if err != nil || calibration.Records == 0 {
		return err
	}
	reliability, err := plotReliability(calibration)
	if err == nil {
		err = savePlot(reliability, dir, "reliability.png")
	}
	if err != nil {
		return err
	}
	if t, m := example(trials); m != nil {
		p, err := plotIncident(t, m)
		if err != nil {
			return err
		}
		return savePlot(p, dir, "incident.png")
	}
	return nil
}

// savePlot draws with a margin, which plot.Save would not leave.
func savePlot(p *plot.Plot, dir, name string) error {
	const margin = 10
	canvas := vgimg.New(plotWidth, plotHeight)
	p.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	var png bytes.Buffer
	path := filepath.Join(dir, name)
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(&png); err != nil {
		return fmt.Errorf("write plot %s: %w", path, err)
	}
	if err := os.WriteFile(path, png.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write plot: %w; name another directory with --plots", err)
	}
	return nil
}

// newPlot returns an empty plot with a grid and the legend out of the way.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font.Size, p.Title.Padding = vg.Points(13), vg.Points(8)
	p.X.Padding, p.Y.Padding = 0, 0
	p.X.Tick.Marker, p.Y.Tick.Marker = tenths, tenths
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe0}, color.Gray{0xe0}
	p.Add(grid)
	p.Legend.Padding = vg.Points(3)
	return p
}

// tenths marks an axis of shares.
var tenths = plot.TickerFunc(func(low, high float64) []plot.Tick {
	var out []plot.Tick
	for i := range 11 {
		if v := float64(i) / 10; v >= low && v <= high {
			out = append(out, plot.Tick{Value: v, Label: fmt.Sprintf("%.1f", v)})
		}
	}
	return out
})

// hours marks an axis of event time at whole hours, or halves and quarters of them where it is short.
var hours = plot.TickerFunc(func(low, high float64) []plot.Tick {
	const most = 9
	step := 15 * time.Minute
	for _, longer := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
		if high-low <= most*step.Seconds() {
			break
		}
		step = longer
	}
	var out []plot.Tick
	for at := time.Unix(int64(low), 0).UTC().Truncate(step).Add(step); float64(at.Unix()) <= high; at = at.Add(step) {
		out = append(out, plot.Tick{Value: float64(at.Unix()), Label: at.Format("15:04\n2 Jan")})
	}
	return out
})

// Marks of a time axis on a logarithmic scale: seconds to days.
var durationMarks = []struct {
	seconds float64
	name    string
}{{1, "1 s"}, {10, "10 s"}, {60, "1 min"}, {600, "10 min"}, {3600, "1 h"}, {4 * 3600, "4 h"}, {24 * 3600, "1 d"}, {7 * 24 * 3600, "1 week"}}

// plotDelays draws, by class, the share of the incidents that was found with the right class within a time of being evident. A
// curve ends at the recall; what was found before it was evident counts as found within a second.
func plotDelays(card *backtest.Card, subtitle string) (*plot.Plot, error) {
	pages, tickets := card.False(incident.Page), card.False(incident.Ticket)
	p := newPlot(fmt.Sprintf("Found within, by class (%s)\nfalse: %d pages, %d tickets in %s user-weeks", subtitle, pages.Count, tickets.Count, figure(card.UserWeeks())),
		"since the incident could be seen: 20 affected rows of 5 users, or of the one account", "share of incidents")
	longest := 60.0
	delays := card.Delays(labelClass)
	for _, d := range delays {
		if n := len(d.Seconds); n > 0 {
			longest = max(longest, d.Seconds[n-1])
		}
	}
	for i, class := range sortedKeys(delays) {
		d := delays[class]
		points := plotter.XYs{{X: 1, Y: 0}}
		for k, seconds := range d.Seconds {
			x := max(1, seconds)
			points = append(points, plotter.XY{X: x, Y: float64(k) / float64(d.Due)}, plotter.XY{X: x, Y: float64(k+1) / float64(d.Due)})
		}
		line, err := plotter.NewLine(append(points, plotter.XY{X: 2 * longest, Y: float64(len(d.Seconds)) / float64(d.Due)}))
		if err != nil {
			return nil, fmt.Errorf("plot delays of %s: %w", class, err)
		}
		line.Color, line.Width = plotColors[i%len(plotColors)], vg.Points(2)
		p.Add(line)
		p.Legend.Add(fmt.Sprintf("%s (%d of %d)", class, len(d.Seconds), d.Due), line)
	}
	p.X.Scale, p.X.Min, p.X.Max = plot.LogScale{}, 1, 2*longest
	var ticks plot.ConstantTicks
	for _, m := range durationMarks {
		if m.seconds <= p.X.Max {
			ticks = append(ticks, plot.Tick{Value: m.seconds, Label: m.name})
		}
	}
	p.X.Tick.Marker = ticks
	p.Y.Min, p.Y.Max = 0, 1.02
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs, p.Legend.YOffs = false, false, -vg.Points(6), vg.Points(6)
	return p, nil
}

// plotReliability draws the share of records whose class is right against the confidence that they stated, with intervals.
func plotReliability(c backtest.Calibration) (*plot.Plot, error) {
	p := newPlot(fmt.Sprintf("Does confidence keep its word? %d records, off by %.3f on average", c.Records, c.Error), "confidence stated", "share with the right class")
	diagonal, err := plotter.NewLine(plotter.XYs{{X: 0, Y: 0}, {X: 1, Y: 1}})
	if err != nil {
		return nil, fmt.Errorf("plot reliability: %w", err)
	}
	diagonal.Color, diagonal.Dashes = plotGray, []vg.Length{vg.Points(4), vg.Points(4)}
	var at struct {
		plotter.XYs
		plotter.YErrors
	}
	labels := plotter.XYLabels{}
	for _, b := range c.Bins {
		v := b.Right.Value()
		at.XYs = append(at.XYs, plotter.XY{X: b.Confidence, Y: v})
		at.YErrors = append(at.YErrors, struct{ Low, High float64 }{v - b.Right.Low, b.Right.High - v})
		labels.XYs = append(labels.XYs, plotter.XY{X: b.Confidence, Y: b.Right.Low})
		labels.Labels = append(labels.Labels, fmt.Sprintf("%d of %d", b.Right.Hits, b.Right.Of))
	}
	bars, err := plotter.NewYErrorBars(at)
	if err != nil {
		return nil, fmt.Errorf("plot reliability: %w", err)
	}
	points, err := plotter.NewScatter(at.XYs)
	if err != nil {
		return nil, fmt.Errorf("plot reliability: %w", err)
	}
	texts, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, fmt.Errorf("plot reliability: %w", err)
	}
	for i := range texts.TextStyle {
		texts.TextStyle[i].XAlign, texts.TextStyle[i].YAlign = draw.XRight, draw.YTop
	}
	texts.Offset = vg.Point{X: -vg.Points(4), Y: -vg.Points(2)}
	bars.Color, bars.Width = plotColors[0], vg.Points(1.5)
	points.Color, points.Shape, points.Radius = plotColors[0], draw.CircleGlyph{}, vg.Points(4)
	p.Add(diagonal, bars, points, texts)
	p.Legend.Add("a confidence that keeps its word", diagonal)
	p.Legend.Add("records, by tenth of confidence, 95% interval", points)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1.03, 0, 1.03
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs, p.Legend.YOffs = true, true, vg.Points(8), -vg.Points(6)
	return p, nil
}

// example picks the found incident of a cohort that multiplied charges most: what a picture can show.
func example(trials []*trial) (*trial, *backtest.Match) {
	var best *backtest.Match
	var of *trial
	for _, t := range trials {
		for i := range t.score.Matches {
			m := &t.score.Matches[i]
			if m.Label.Silent || !m.Cause || !m.Scope || m.Record.Scope.Kind != "cohort" || m.Record.Ratio == nil || m.Record.EndedAt == nil {
				continue
			}
			if best == nil || *m.Record.Ratio > *best.Record.Ratio {
				of, best = t, m
			}
		}
	}
	return of, best
}

// plotIncident draws what the scope of an incident was charged against what the same world would have been charged without it.
func plotIncident(t *trial, m *backtest.Match) (*plot.Plot, error) {
	const step = 5 * time.Minute
	ended := *m.Record.EndedAt
	margin := max(time.Hour, min(6*time.Hour, ended.Sub(m.Label.StartedAt)/2))
	from, to := m.Label.StartedAt.Add(-margin).Truncate(step), ended.Add(margin)
	charged, expected, err := t.series(m.Label.Scope, from, to, step)
	if err != nil {
		return nil, err
	}
	p := newPlot(fmt.Sprintf("%s, seed %d: %s", t.scenario.Name, t.seed, strings.TrimSpace(what(m.Record.Class, m.Record.Cause, m.Record.Scope))), "event time (UTC)", "credits in 5 minutes")
	p.X.Tick.Marker, p.Y.Tick.Marker = hours, plot.DefaultTicks{}
	top := slices.Max(charged)
	for i, series := range []struct {
		name   string
		values []float64
	}{{"charged", charged}, {"without the fault", expected}} {
		var points plotter.XYs
		for k, v := range series.values {
			x := float64(from.Add(time.Duration(k) * step).Unix())
			points = append(points, plotter.XY{X: x, Y: v}, plotter.XY{X: x + step.Seconds(), Y: v})
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, fmt.Errorf("plot incident %s: %w", m.Record.Incident, err)
		}
		line.Color, line.Width = plotColors[1-i], vg.Points(1.5)
		p.Add(line)
		p.Legend.Add(series.name, line)
	}
	for i, mark := range []struct {
		name string
		at   time.Time
	}{
		{"onset " + m.Label.StartedAt.Format("15:04:05"), m.Label.StartedAt},
		{"detected " + m.Record.DetectedAt.Format("15:04:05"), m.Record.DetectedAt},
		{"end " + ended.Format("15:04:05"), ended},
	} {
		x := float64(mark.at.UnixNano()) / 1e9
		line, err := plotter.NewLine(plotter.XYs{{X: x, Y: 0}, {X: x, Y: 1.1 * top}})
		if err != nil {
			return nil, fmt.Errorf("plot incident %s: %w", m.Record.Incident, err)
		}
		line.Color, line.Width, line.Dashes = plotColors[2+i], vg.Points(1.5), []vg.Length{vg.Points(5), vg.Points(3)}
		p.Add(line)
		p.Legend.Add(mark.name, line)
	}
	p.Y.Min, p.Y.Max = 0, math.Max(1.1*top, 1e-9)
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs, p.Legend.YOffs = true, true, vg.Points(8), -vg.Points(6)
	return p, nil
}
