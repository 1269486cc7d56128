package page

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// canvas collects the elements of an SVG.
type canvas struct{ elements strings.Builder }

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.elements, format+"\n", args...) }

func (c *canvas) text(x, y float64, size int, anchor, color, text string) {
	c.add(`<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s">%s</text>`, x, y, size, anchor, color, html.EscapeString(text))
}

func (c *canvas) rect(x, y, w, h float64, color string) {
	c.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`, x, y, math.Max(w, 0), math.Max(h, 0), color)
}

func (c *canvas) line(x1, y1, x2, y2 float64, color string) {
	c.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`, x1, y1, x2, y2, color)
}

// path draws a line through points with a dot at each.
func (c *canvas) path(points []point, color string) {
	var coordinates []string
	for _, p := range points {
		coordinates = append(coordinates, fmt.Sprintf("%.1f,%.1f", p.x, p.y))
		c.add(`<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, p.x, p.y, color)
	}
	c.add(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.Join(coordinates, " "), color)
}

// svg returns the whole picture.
func (c *canvas) svg(width, height int) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="DejaVu Sans, Verdana, sans-serif">`+"\n"+
		`<rect width="%d" height="%d" fill="#ffffff"/>`+"\n%s</svg>\n", width, height, width, height, width, height, c.elements.String())
}

type point struct{ x, y float64 }

// The colours of what isn't data.
const (
	ink   = "#222222"
	dim   = "#666666"
	faint = "#dddddd"
)

// frame is where a chart is drawn.
type frame struct{ x, y, w, h float64 }

// axis maps values to places, by their logarithm.
type axis struct{ low, high, from, to float64 }

func (a axis) at(v float64) float64 {
	share := (math.Log10(math.Max(v, a.low)) - math.Log10(a.low)) / (math.Log10(a.high) - math.Log10(a.low))
	return a.from + share*(a.to-a.from)
}

// ticks are the powers of ten of the axis, and twice and five times those if there are few.
func (a axis) ticks() (all []float64) {
	factors := []float64{1}
	if a.high/a.low < 200 {
		factors = []float64{1, 2, 5}
	}
	for power := math.Pow(10, math.Floor(math.Log10(a.low))); power <= a.high; power *= 10 {
		for _, f := range factors {
			if v := f * power; v >= a.low*0.999 && v <= a.high*1.001 {
				all = append(all, v)
			}
		}
	}
	return all
}

// series is a named line.
type series struct {
	name, color string
	points      []point
}

// lines draws series over logarithmic axes; points without a value are left out.
func (c *canvas) lines(f frame, title, xTitle string, all []series) {
	x := axis{math.Inf(1), math.Inf(-1), f.x, f.x + f.w}
	y := axis{math.Inf(1), math.Inf(-1), f.y + f.h, f.y}
	for _, s := range all {
		for _, p := range s.points {
			x.low, x.high = math.Min(x.low, p.x), math.Max(x.high, p.x)
			y.low, y.high = math.Min(y.low, p.y), math.Max(y.high, p.y)
		}
	}
	if x.low >= x.high {
		return // nothing was measured
	}
	c.text(f.x, f.y-14, 14, "start", ink, title)
	y.low, y.high = y.low/1.3, y.high*1.3
	for _, v := range y.ticks() {
		c.line(f.x, y.at(v), f.x+f.w, y.at(v), faint)
		c.text(f.x-6, y.at(v)+4, 11, "end", dim, fmt.Sprintf("%g", v))
	}
	for _, v := range x.ticks() {
		c.line(x.at(v), f.y, x.at(v), f.y+f.h, faint)
		c.text(x.at(v), f.y+f.h+15, 11, "middle", dim, Thousands(v))
	}
	c.text(f.x+f.w/2, f.y+f.h+31, 11, "middle", dim, xTitle)
	for i, s := range all {
		var places []point
		for _, p := range s.points {
			places = append(places, point{x.at(p.x), y.at(p.y)})
		}
		c.path(places, s.color)
		c.rect(f.x+f.w-150, f.y+6+float64(i)*16, 10, 10, s.color)
		c.text(f.x+f.w-136, f.y+15+float64(i)*16, 11, "start", ink, s.name)
	}
}
