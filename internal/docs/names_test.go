package docs_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/pipeline"
)

var instrument = regexp.MustCompile(`"(burrow\.[a-z_.]+|messaging\.[a-z_.]+)"`)

func TestEveryInstrumentOfTheEngineIsDocumented(t *testing.T) {
	t.Parallel()
	operations := pages(t)["docs/operations.md"]
	for _, file := range []string{"pipeline/telemetry.go", "middleware/breaker.go"} {
		code, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		names := instrument.FindAllStringSubmatch(string(code), -1)
		if len(names) == 0 {
			t.Errorf("%s has no instruments any more; where did they go?", file)
		}
		for _, match := range names {
			if !strings.Contains(operations, "`"+match[1]+"`") {
				t.Errorf("docs/operations.md says nothing of %s", match[1])
			}
		}
	}
}

func TestEveryFieldThatIsShownIsDocumented(t *testing.T) {
	t.Parallel()
	operations := pages(t)["docs/operations.md"]
	for _, shown := range []reflect.Type{
		reflect.TypeFor[burrow.Stats](), reflect.TypeFor[burrow.PartitionStats](), reflect.TypeFor[pipeline.Explanation](),
	} {
		for field := range shown.Fields() {
			switch field.Name {
			case "Topic", "Partition", "Partitions", "Owned":
				continue // they say themselves what they are
			}
			if !strings.Contains(operations, "`"+field.Name+"`") {
				t.Errorf("docs/operations.md says nothing of %s.%s", shown.Name(), field.Name)
			}
		}
	}
}

func TestEveryFileOfTheEngineIsOnTheMap(t *testing.T) {
	t.Parallel()
	design := pages(t)["docs/design.md"]
	for _, folder := range []string{"pipeline", "source/kafka"} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := filepath.Base(file)
			if name != "doc.go" && !strings.HasSuffix(name, "_test.go") && !strings.Contains(design, "`"+name+"`") {
				t.Errorf("docs/design.md says nothing of %s/%s", folder, name)
			}
		}
	}
}
