package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// runner runs benchmarks.
type runner struct {
	count     int
	benchtime string
}

// command is what prints a row's figures.
func command(r row) []string {
	parts := strings.Split("Benchmark"+r.bench, "/")
	for i, part := range parts {
		parts[i] = "^" + part + "$"
	}
	return []string{"go", "test", "-run", "^$", "-bench", strings.Join(parts, "/"), "-benchmem", r.pkg}
}

func (r runner) run(one row) (string, error) {
	args := append(command(one), "-count", strconv.Itoa(r.count), "-benchtime", r.benchtime)
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput() //nolint:gosec,noctx // the tables name it; an interrupt reaches both
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// medians reads what go test -bench printed: for each unit the median of the runs.
func medians(out string) map[string]float64 {
	figures := make(map[string][]float64)
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				figures[fields[i+1]] = append(figures[fields[i+1]], value)
			}
		}
	}
	middle := make(map[string]float64)
	for unit, all := range figures {
		slices.Sort(all)
		middle[unit] = all[len(all)/2]
	}
	return middle
}

// body is the table in Markdown, with the command of each row.
func (t table) body(run func(row) (string, error)) (string, error) {
	var text strings.Builder
	line := func(cells []string) { text.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(append(slices.Clone(t.head), "`go test -run '^$' -benchmem -bench …`"))
	text.WriteString("|---|" + strings.Repeat("---:|", len(t.head)-1) + "---|\n")
	for _, r := range t.rows {
		out, err := run(r)
		if err != nil {
			return "", err
		}
		figures := medians(out)
		cells := []string{r.what}
		for _, unit := range r.units {
			value, ok := figures[unit]
			if !ok {
				return "", fmt.Errorf("%s prints no %s, only %v", r.bench, unit, slices.Sorted(maps.Keys(figures)))
			}
			cells = append(cells, figure(value, unit, r.per))
		}
		args := command(r)
		line(append(cells, fmt.Sprintf("`'%s' %s`", args[5], r.pkg)))
	}
	return text.String(), nil
}

// figure writes a value for each message.
func figure(value float64, unit string, per float64) string {
	each := value
	if per > 0 && unit != nsMsg {
		each /= per
	}
	switch {
	case unit == objs:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", each), ".00")
	case each >= 100:
		return fmt.Sprintf("%.0f", each)
	}
	return fmt.Sprintf("%.1f", each)
}

// replace puts body between the markers of the name.
func replace(page, name, body string) (string, error) {
	from, to := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	before, rest, _ := strings.Cut(page, from)
	_, after, ok := strings.Cut(rest, to)
	if !ok {
		return "", errors.New("the page has no place for the table " + name)
	}
	return before + from + "\n" + body + "\n" + to + after, nil
}

func underscored(name string) string { return strings.ReplaceAll(name, " ", "_") }
