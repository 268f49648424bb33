package profile

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// drawn are the factors in the picture, in colours that can be told apart by people who see red and green alike (Okabe and Ito,
// Color Universal Design, 2008).
var drawn = []struct {
	factor string
	color  color.Color
}{
	{"50x", color.RGBA{0xcc, 0x79, 0xa7, 0xff}},
	{"20x", color.RGBA{0x00, 0x72, 0xb2, 0xff}},
	{"10x", color.RGBA{0x00, 0x9e, 0x73, 0xff}},
	{"5x", color.RGBA{0xd5, 0x5e, 0x00, 0xff}},
}

// frontierRange is what the axis of false findings shows, in account-weeks in a million.
const frontierRange = 1e4

// rate is how many innocent account-weeks in a million pass a level of a statistic.
func (c *chunk) rate(stat, k int) float64 {
	n := 0
	for _, m := range c.Highest[stat][k+1:] {
		n += m
	}
	return float64(n) / float64(c.Weeks) * 1e6
}

// curves returns recall and median delay of a drain against false findings, a point a threshold; what is found of fewer than half
// has no median, and what is passed by fewer than three account-weeks no rate to speak of.
func (c *chunk) curves(j, stat int) (recall, delay plotter.XYs) {
	for k := range numLevels {
		x := c.rate(stat, k)
		if x > frontierRange || x*float64(c.Weeks) < 3e6 {
			continue
		}
		r, median := c.Found[j][stat].quality(k)
		recall = append(recall, plotter.XY{X: x, Y: r})
		if !math.IsInf(median, 1) {
			delay = append(delay, plotter.XY{X: x, Y: median})
		}
	}
	return recall, delay
}

// drawFrontier draws the frontiers of populations, a column each: recall above, delay below.
func drawFrontier(name string, sums []*chunk) error {
	grid := [][]*plot.Plot{{}, {}}
	legend := plot.NewLegend()
	legend.Left, legend.Top, legend.Padding = true, true, vg.Points(4)
	for _, c := range sums {
		recall := newFrontierPlot(fmt.Sprintf("%s: %.2g million account-weeks, %d drained", c.Population, float64(c.Weeks)/1e6, c.Drains), "found within 24 h", 1)
		delay := newFrontierPlot("", "active 10 minutes until found, median", 140)
		for _, d := range drawn {
			for _, kind := range []struct {
				suffix, says string
				stat         int
				dashes       []vg.Length
				mark         draw.GlyphDrawer
			}{
				{", new identity", ", new device", statIdentity, nil, draw.CircleGlyph{}},
				{"", ", known device", statVolume, []vg.Length{vg.Points(5), vg.Points(3)}, draw.BoxGlyph{}},
			} {
				j := jumpNamed(d.factor + kind.suffix)
				above, below := c.curves(j, kind.stat)
				r, median := c.Found[j][statAsSet].quality(0)
				x := max(1, float64(c.AsSet)/float64(c.Weeks)*1e6)
				for _, half := range []struct {
					p     *plot.Plot
					curve plotter.XYs
					asSet float64
				}{{recall, above, r}, {delay, below, median}} {
					line, err := plotter.NewLine(append(plotter.XYs{}, half.curve...))
					if err != nil && len(half.curve) > 0 {
						return fmt.Errorf("draw %s of %s: %w", d.factor, c.Population, err)
					}
					if err == nil {
						line.Color, line.Width, line.Dashes = d.color, vg.Points(1.8), kind.dashes
						half.p.Add(line)
					}
					if !math.IsInf(half.asSet, 1) {
						at, err := plotter.NewScatter(plotter.XYs{{X: x, Y: half.asSet}})
						if err != nil {
							return fmt.Errorf("draw %s of %s: %w", d.factor, c.Population, err)
						}
						at.Color, at.Shape, at.Radius = d.color, kind.mark, vg.Points(4)
						half.p.Add(at)
					}
				}
				if c == sums[0] {
					legend.Add(d.factor+kind.says, &plotter.Line{LineStyle: draw.LineStyle{Color: d.color, Width: vg.Points(1.8), Dashes: kind.dashes}})
				}
			}
		}
		grid[0], grid[1] = append(grid[0], recall), append(grid[1], delay)
	}
	gray := color.Gray{0x60}
	legend.Add("our budget", &plotter.Line{LineStyle: draw.LineStyle{Color: gray, Width: vg.Points(1)}})
	legend.Add("as rules are set, new", &plotter.Scatter{GlyphStyle: draw.GlyphStyle{Color: gray, Shape: draw.CircleGlyph{}, Radius: vg.Points(4)}})
	legend.Add("as rules are set, known", &plotter.Scatter{GlyphStyle: draw.GlyphStyle{Color: gray, Shape: draw.BoxGlyph{}, Radius: vg.Points(4)}})
	canvas := vgimg.New(13*vg.Inch, 8.5*vg.Inch)
	all := draw.New(canvas)
	const keys = 2.2 * vg.Inch
	legend.Draw(draw.Crop(all, all.Size().X-keys, 0, 0, -vg.Points(30)))
	tiles := draw.Tiles{
		Rows: 2, Cols: len(sums), PadX: vg.Points(4), PadY: vg.Points(16),
		PadTop: vg.Points(10), PadBottom: vg.Points(10), PadLeft: vg.Points(10), PadRight: vg.Points(12),
	}
	for i, row := range plot.Align(grid, tiles, draw.Crop(all, 0, -keys, 0, 0)) {
		for k, c := range row {
			grid[i][k].Draw(c)
		}
	}
	var png bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(&png); err != nil {
		return err
	}
	return os.WriteFile(name, png.Bytes(), 0o644)
}

// newFrontierPlot returns an empty panel over false findings, with the budget marked.
func newFrontierPlot(title, y string, top float64) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, vg.Points(6)
	p.X.Label.Text, p.Y.Label.Text = "innocent account-weeks accused, in a million", y
	p.X.Scale, p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = plot.LogScale{}, 1, frontierRange, 0, top*1.02
	p.X.Padding, p.Y.Padding = 0, 0
	p.X.Tick.Marker = plot.TickerFunc(func(_, high float64) (out []plot.Tick) {
		for x := 1.0; x <= high; x *= 10 {
			out = append(out, plot.Tick{Value: x, Label: fmt.Sprint(x)})
		}
		return out
	})
	p.Y.Tick.Marker = plot.TickerFunc(func(_, high float64) (out []plot.Tick) {
		for i := range 8 {
			if v := top * float64(i) / 5; top <= 1 && v <= 1 {
				out = append(out, plot.Tick{Value: v, Label: fmt.Sprintf("%.1f", v)})
			} else if v := 20 * float64(i); top > 1 && v <= high {
				out = append(out, plot.Tick{Value: v, Label: fmt.Sprintf("%.0f", v)})
			}
		}
		return out
	})
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe0}, color.Gray{0xe0}
	budget := &plotter.Line{XYs: plotter.XYs{{X: 10, Y: 0}, {X: 10, Y: top * 1.02}}, LineStyle: draw.LineStyle{Color: color.Gray{0x60}, Width: vg.Points(1)}}
	p.Add(grid, budget)
	return p
}

func jumpNamed(name string) int {
	for j := range jumps {
		if jumps[j].name == name {
			return j
		}
	}
	panic("no drain is called " + strings.TrimSpace(name))
}
