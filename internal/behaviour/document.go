package main

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2/types"
)

const preamble = `# What burrow does

Written by ` + "`task docs:behaviour`" + ` from the specs in ` + "`suite_test/`" + `, which are tests: every line below is run.
In brackets is where: *memory* is the source in memory on virtual time, *broker* is Kafka through the Sarama source
(an embedded fake, or with ` + "`BURROW_TEST_KAFKA`" + ` a real one).
`

// backends are the labels that say where a spec runs.
var backends = []string{"memory", "broker"} //nolint:gochecknoglobals // a constant list

// node is a container of specs, or a spec.
type node struct {
	text     string
	children []*node
	on       map[string]bool // a spec's backends
	pending  bool
}

// document returns the specs as nested lists, in the order in which they are
// written, the files in the order of their names.
func document(reports []types.Report) (string, error) {
	root := &node{}
	for _, report := range reports {
		specs := slices.DeleteFunc(slices.Clone(report.SpecReports), func(s types.SpecReport) bool {
			return s.LeafNodeType != types.NodeTypeIt
		})
		slices.SortStableFunc(specs, byPlace)
		for _, spec := range specs {
			root.add(spec)
		}
	}
	if len(root.children) == 0 {
		return "", errors.New("behaviour: there are no specs")
	}
	var text strings.Builder
	text.WriteString(preamble)
	for _, child := range root.children {
		text.WriteString("\n## " + sentence(child.text) + "\n\n")
		for _, grandchild := range child.children {
			grandchild.write(&text, 0)
		}
	}
	return text.String(), nil
}

func byPlace(a, b types.SpecReport) int {
	return slices.CompareFunc(places(a), places(b), func(x, y types.CodeLocation) int {
		return cmp.Or(
			cmp.Compare(filepath.Base(x.FileName), filepath.Base(y.FileName)),
			cmp.Compare(x.LineNumber, y.LineNumber),
		)
	})
}

func places(spec types.SpecReport) []types.CodeLocation {
	return slices.Concat(spec.ContainerHierarchyLocations, []types.CodeLocation{spec.LeafNodeLocation})
}

// add puts a spec into the tree. Specs of the same text are one line: the same
// promise on another backend.
func (n *node) add(spec types.SpecReport) {
	for _, text := range spec.ContainerHierarchyTexts {
		n = n.child(text)
	}
	if len(spec.ContainerHierarchyTexts) == 0 {
		n = n.child("In general")
	}
	leaf := n.child(spec.LeafNodeText)
	if leaf.on == nil {
		leaf.on = map[string]bool{}
	}
	for _, label := range spec.Labels() {
		leaf.on[label] = true
	}
	leaf.pending = leaf.pending || spec.State == types.SpecStatePending
}

func (n *node) child(text string) *node {
	for _, child := range n.children {
		if child.text == text {
			return child
		}
	}
	child := &node{text: text}
	n.children = append(n.children, child)
	return child
}

func (n *node) write(text *strings.Builder, depth int) {
	text.WriteString(strings.Repeat("  ", depth) + "- " + n.text + n.where() + "\n")
	for _, child := range n.children {
		child.write(text, depth+1)
	}
}

func (n *node) where() string {
	var words []string
	for _, backend := range backends {
		if n.on[backend] {
			words = append(words, backend)
		}
	}
	if n.pending {
		words = append(words, "not yet")
	}
	if len(words) == 0 {
		return ""
	}
	return " *(" + strings.Join(words, ", ") + ")*"
}

func sentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
