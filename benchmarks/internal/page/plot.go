package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

const (
	plotWidth  = 1000
	plotHeight = 860
)

// Plot returns four charts as one SVG.
func Plot(f results.File) string {
	var c canvas
	c.noopBars(f, frame{190, 50, 280, 330})
	c.waitingBars(f, frame{560, 50, 420, 290})
	c.lines(frame{70, 470, 400, 320}, "README grid of the Parallel Consumer: seconds", "keys", readmeSeries(f))
	c.lines(frame{570, 470, 400, 320}, "Burrow by key, no work: µs of CPU a message", "number of …", costSeries(f))
	return c.svg(plotWidth, plotHeight)
}

// color is the same for an arm in all charts.
func color(name string) string {
	switch name {
	case arm.BurrowUnordered:
		return "#0b5fa5"
	case arm.BurrowKey:
		return "#2f8fdb"
	case arm.BurrowPartition:
		return "#86bdea"
	case arm.ParallelUnordered:
		return "#d9730d"
	case arm.ParallelKey:
		return "#f0a35e"
	case arm.ParallelPartition:
		return "#f7cda6"
	case arm.Watermill:
		return "#7b559c"
	case arm.Pool:
		return "#8a8a8a"
	case arm.Spawn:
		return "#b5b5b5"
	}
	return "#555555"
}

// noopBars has a bar for each arm.
func (c *canvas) noopBars(f results.File, at frame) {
	c.text(at.x-170, at.y-14, 14, "start", ink, "No work: rate as a share of a bare sarama loop's")
	for _, one := range of(f, "noop") {
		all := rows(&f, one)
		most := 0.0
		for _, r := range all {
			most = math.Max(most, r.share)
		}
		step := at.h / float64(len(all))
		for i, r := range all {
			y := at.y + float64(i)*step
			c.text(at.x-8, y+step/2+4, 11, "end", ink, r.Name)
			c.rect(at.x, y+3, at.w*0.85*r.share/most, step-6, color(r.Name))
			c.text(at.x+at.w*0.85*r.share/most+6, y+step/2+4, 11, "start", ink, share(r.share))
		}
	}
}

// waitingBars has a group for each case and a bar for each arm in it.
func (c *canvas) waitingBars(f results.File, at frame) {
	c.text(at.x-30, at.y-14, 14, "start", ink, "Waiting: rate as a share of the ideal")
	found := of(f, "waiting")
	for _, v := range []float64{0, 0.25, 0.5, 0.75, 1} {
		y := at.y + at.h*(1-v)
		c.line(at.x, y, at.x+at.w, y, faint)
		c.text(at.x-6, y+4, 11, "end", dim, fmt.Sprint(v))
	}
	var names []string
	for i, one := range found {
		group := at.w / float64(len(found))
		all := rows(&f, one)[1:] // without the ideal
		names = nil
		width := (group - 14) / float64(len(all))
		for j, r := range all {
			h := at.h * math.Min(r.share, 1.05)
			c.rect(at.x+float64(i)*group+7+float64(j)*width, at.y+at.h-h, width-2, h, color(r.Name))
			names = append(names, r.Name)
		}
		c.text(at.x+(float64(i)+0.5)*group, at.y+at.h+15, 11, "middle", dim, one.Name)
	}
	c.legend(point{at.x - 10, at.y + at.h + 26}, names)
}

// legend writes the names in columns of two.
func (c *canvas) legend(at point, names []string) {
	for i, name := range names {
		x, y := at.x+float64(i/2)*132, at.y+float64(i%2)*16
		c.rect(x, y, 10, 10, color(name))
		c.text(x+14, y+9, 10, "start", ink, name)
	}
}

func readmeSeries(f results.File) []series {
	all := []series{
		{name: "Parallel Consumer", color: color(arm.ParallelKey)},
		{name: "burrow", color: color(arm.BurrowKey)},
		{name: "ideal", color: color(arm.Ideal)},
	}
	for _, one := range of(f, "readme") {
		if one.Load.Keys == 0 {
			continue
		}
		for i, name := range []string{arm.ParallelKey, arm.BurrowKey, arm.IdealKey} {
			if r, ok := find(f, one, name); ok {
				all[i].points = append(all[i].points, point{float64(one.Load.Keys), r.seconds})
			}
		}
	}
	return all
}

func costSeries(f results.File) []series {
	all := []series{
		{name: "workers", color: "#0b5fa5"}, {name: "partitions", color: "#d9730d"},
		{name: "keys", color: "#2a8a57"}, {name: "window", color: "#7b559c"},
	}
	for i := range all {
		for _, one := range ofScale(f, all[i].name) {
			if r, ok := find(f, one, arm.BurrowKey); ok {
				all[i].points = append(all[i].points, point{number(one), r.cpu * 1e6})
			}
		}
	}
	return all
}

// number is what grows in the cases of a set.
func number(c cases.Case) float64 {
	n, _ := strconv.ParseFloat(strings.ReplaceAll(scaleName(c), " ", ""), 64)
	return n
}
