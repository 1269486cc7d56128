package docs_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// prelude declares what fragments may use.
//
//go:embed prelude.go.txt
var prelude string

// known are the packages that fragments may use without an import.
var known = []string{
	"context", "crypto/tls", "encoding/json", "errors", "fmt", "net/http", "os", "os/signal", "syscall", "testing", "testing/synctest", "time",
	"github.com/IBM/sarama", "github.com/sirupsen/logrus",
	"go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/trace",
	"github.com/vlab-research/burrow", "github.com/vlab-research/burrow/middleware",
	"github.com/vlab-research/burrow/offsets", "github.com/vlab-research/burrow/offsets/offsetstest",
	"github.com/vlab-research/burrow/pipeline", "github.com/vlab-research/burrow/retry",
	"github.com/vlab-research/burrow/source", "github.com/vlab-research/burrow/source/kafka",
	"github.com/vlab-research/burrow/source/memory", "github.com/vlab-research/burrow/stage",
}

func TestEveryPieceOfGoCompiles(t *testing.T) {
	t.Parallel()
	c := newCompiler(t, blocks(t, "go"))
	for _, b := range blocks(t, "go") {
		for _, err := range c.check(b) {
			t.Errorf("%s:%d: %v", b.page, b.line, err)
		}
	}
}

// The first program of the README is what a newcomer reads first.
func TestTheFirstProgramIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	first := fenced("README.md", string(text), "go")[0]
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, first.page, first.text, 0)
	if err != nil {
		t.Fatal(err)
	}
	main, ok := file.Scope.Lookup("main").Decl.(*ast.FuncDecl)
	if !ok {
		t.Fatal("the first piece of Go is no program")
	}
	if lines := fset.Position(main.End()).Line - fset.Position(main.Pos()).Line + 1; lines > 15 {
		t.Errorf("the main function has %d lines, more than 15", lines)
	}
}

// compiler type-checks pieces against the packages as they are built.
type compiler struct {
	exports map[string]string // export data by import path
}

func newCompiler(t *testing.T, pieces []block) *compiler {
	t.Helper()
	wanted := make(map[string]bool)
	for _, path := range known {
		wanted[path] = true
	}
	for _, b := range pieces {
		file, err := parser.ParseFile(token.NewFileSet(), "", b.text, parser.ImportsOnly)
		if err != nil {
			continue // a fragment has no imports
		}
		for _, spec := range file.Imports {
			wanted[strings.Trim(spec.Path.Value, `"`)] = true
		}
	}
	args := append([]string{"list", "-export", "-deps", "-json=ImportPath,Export"}, slices.Sorted(maps.Keys(wanted))...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	c := &compiler{exports: make(map[string]string)}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return c
		} else if err != nil {
			t.Fatal(err)
		}
		c.exports[p.ImportPath] = p.Export
	}
}

// chained is the beginning of a piece that goes on with a builder.
var chained = regexp.MustCompile(`^(Use|Stage|With\w+)\(`)

// check returns what is wrong with a piece: a whole file, declarations, or statements.
func (c *compiler) check(b block) []error {
	if strings.HasPrefix(strings.TrimSpace(b.text), "package ") {
		return c.types(b.text, false)
	}
	if chained.MatchString(b.text) {
		b.text = "_ = b." + b.text
	}
	imports := "package piece\nimport (\n\"" + strings.Join(known, "\"\n\"") + "\"\n)\n"
	declarations := imports + prelude + b.text
	if _, err := parser.ParseFile(token.NewFileSet(), "", declarations, 0); err == nil {
		return c.types(declarations, true)
	}
	return c.types(imports+prelude+"func piece() error {\n"+b.text+"\nreturn nil\n}\n", true)
}

// types type-checks a file. A fragment may leave names and imports unused.
func (c *compiler) types(text string, fragment bool) (wrong []error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "piece", text, parser.SkipObjectResolution)
	if err != nil {
		return []error{err}
	}
	config := types.Config{
		Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
			export := c.exports[path]
			if export == "" {
				return nil, fmt.Errorf("package %s isn't known to this test", path)
			}
			return os.Open(export)
		}),
		Error: func(err error) {
			if soft, ok := errors.AsType[types.Error](err); !fragment || !ok || !soft.Soft {
				wrong = append(wrong, err)
			}
		},
	}
	_, _ = config.Check("piece", fset, []*ast.File{file}, nil) // its errors came one by one
	return wrong
}
