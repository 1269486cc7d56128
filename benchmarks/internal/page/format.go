package page

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Thousands writes a number without decimals, with spaces.
func Thousands(x float64) string {
	text := fmt.Sprintf("%.0f", x)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

func sortedKeys(m map[string]float64) []string { return slices.Sorted(maps.Keys(m)) }

// share writes a ratio with two decimals, or more where that would be nothing.
func share(x float64) string {
	switch {
	case x == 0:
		return "–"
	case x < 0.005:
		return fmt.Sprintf("%.4f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func micros(seconds float64) string {
	if seconds*1e6 >= 100 {
		return Thousands(seconds*1e6) + " µs"
	}
	return fmt.Sprintf("%.2f µs", seconds*1e6)
}

func nanos(seconds float64) string { return fmt.Sprintf("%.1f ns", seconds*1e9) }

func megabytes(bytes float64) string { return fmt.Sprintf("%.0f MB", bytes/1e6) }

// table writes a table of Markdown. The first column is text, the others are figures.
type table struct{ strings.Builder }

func newTable(head ...string) *table {
	t := &table{}
	t.row(head...)
	t.WriteString("|---|" + strings.Repeat("---:|", len(head)-1) + "\n")
	return t
}

func (t *table) row(cells ...string) {
	t.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
