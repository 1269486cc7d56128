// Costs runs micro-benchmarks and writes their medians into the tables of
// docs/performance.md. Run it in the root of the project, on a machine that does nothing else.
package main

import (
	"flag"
	"log"
	"os"
)

func main() {
	page := flag.String("page", "docs/performance.md", "the page whose tables are written")
	count := flag.Int("count", 5, "how often each benchmark runs; the median counts")
	benchtime := flag.String("benchtime", "200ms", "how long each run takes")
	flag.Parse()
	if err := write(*page, runner{*count, *benchtime}.run); err != nil {
		log.Fatal("costs: ", err)
	}
}

// write replaces each table of the page by what its benchmarks print now. After an error the page is
// what it was.
func write(path string, run func(row) (string, error)) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	page := string(text)
	for _, t := range tables() {
		body, err := t.body(run)
		if err != nil {
			return err
		}
		if page, err = replace(page, t.name, body); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(page), 0o600) //nolint:gosec // the user says which page
}
