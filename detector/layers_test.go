package detector_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/drainwatch/drainwatch"

// layers says what each package may import of this module, downwards only. Sub-packages of stats, fixtures,
// stream, state and notify share their parent's line. A package that is not here is refused: decide its layer first.
var layers = map[string][]string{
	"stats":    {},
	"fixtures": {"detector/event"}, // never stats: expected answers must not come from the code under test

	// The core: pure, in event time.
	"detector/state":    {},
	"detector/event":    {"detector/state"},
	"detector/dense":    {"detector/state"},
	"detector/dedupe":   {"detector/state", "detector/event", "stats"},
	"detector/price":    {"detector/state", "detector/event", "stats"},
	"detector/cohort":   {"detector/state", "detector/event", "detector/price", "detector/window", "stats"},
	"detector/window":   {"detector/state", "detector/event", "detector/dense"},
	"detector/profile":  {"detector/state", "detector/event", "detector/dense", "detector/price", "detector/cohort", "stats"},
	"detector/verdict":  {"detector/state", "detector/event", "detector/price", "detector/cohort", "detector/profile", "stats"},
	"detector/incident": {"detector/state", "detector/event", "detector/cohort", "detector/verdict"},
	"detector/ledger":   {"detector/event", "detector/price", "detector/dedupe", "detector/cohort", "detector/verdict", "detector/incident"},
	"detector": {
		"detector/state", "detector/event", "detector/dense", "detector/dedupe", "detector/price", "detector/cohort", "detector/profile", "detector/window",
		"detector/verdict", "detector/incident", "detector/ledger", "stats",
	},

	// The edges: they know the core, the core does not know them, and they do not know each other.
	"detector/stream":     {"detector", "detector/event", "detector/incident"},
	"detector/checkpoint": {"detector"},
	"detector/notify":     {"detector", "detector/event", "detector/incident"},
	"detector/warroom":    {"detector", "detector/event", "detector/incident", "detector/ledger"},
	"detector/backtest":   {"detector", "detector/event", "detector/incident", "detector/ledger", "stats"},

	"cmd/drainwatch": {
		"detector", "detector/event", "detector/price", "detector/verdict", "detector/incident", "detector/ledger",
		"detector/stream", "detector/checkpoint", "detector/notify", "detector/warroom", "detector/backtest", "fixtures",
		"stats", // localise is a search of stats by itself, for tables of any origin
	},
}

// pure are the packages that do no IO: no file, socket or log.
var pure = []string{
	"stats", "detector/state", "detector/event", "detector/dense", "detector/dedupe", "detector/price", "detector/cohort", "detector/profile", "detector/window",
	"detector/verdict", "detector/incident", "detector/ledger",
}

var impure = []string{"os", "os/exec", "net", "net/http", "log", "log/slog", "github.com/rs/zerolog", "github.com/prometheus/client_golang"}

// owners name dependencies that one package hides from all others, their tests included; "" is nobody.
var owners = map[string]string{
	"github.com/segmentio/kafka-go":  "detector/stream",
	"github.com/twmb/franz-go":       "detector/stream",
	"github.com/spf13/cobra":         "cmd/drainwatch",
	"github.com/knadh/koanf":         "cmd/drainwatch",
	"github.com/schollz/progressbar": "cmd/drainwatch",
	"math/rand":                      "", // math/rand/v2 instead, seeded and passed as an argument
}

// TestImportLayers reads the sources rather than asking the go command: a cached test does not notice a change in a
// package that it does not depend on, but it does notice files that it read.
func TestImportLayers(t *testing.T) {
	for _, fault := range layerFaults(t, "..") {
		t.Error(fault)
	}
}

func TestEveryPackageOfTheTreeExists(t *testing.T) {
	for dir := range layers {
		if _, err := os.Stat(filepath.Join("..", dir, "doc.go")); err != nil {
			t.Errorf("%s: no doc.go that says what the package owns: %v", dir, err)
		}
	}
}

// TestTopLevel holds the first thing that a visitor sees to what it should be.
func TestTopLevel(t *testing.T) {
	want := []string{"LICENSE", "Makefile", "README.md", "cmd", "deploy", "detector", "fixtures", "go.mod", "go.sum", "stats"}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		// Dotfiles are free, and what .gitignore names is not there for git.
		if name := e.Name(); !strings.HasPrefix(name, ".") && name != "bin" && name != "out" && name != "drainwatch-state" {
			got = append(got, name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("top level holds %v, want exactly %v", got, want)
	}
}

// A test that cannot fail proves nothing: each of these trees has one fault, and it must be found.
func TestImportLayersFindsFaults(t *testing.T) {
	const pkg = "// Package x is one.\npackage x\n"
	imports := func(p string) string { return "package x\n\nimport _ " + strconv.Quote(p) + "\n" }
	for _, c := range []struct {
		name, file, text, want string
	}{
		{"the core may use what lies below", "detector/verdict/a.go", imports(module + "/stats/sequential"), ""},
		{"tests of the core may use fixtures", "detector/verdict/a_test.go", imports(module + "/fixtures"), ""},
		{"tests may use any test dependency", "fixtures/a_test.go", imports("pgregory.net/rapid"), ""},
		{"stats knows no event", "stats/sketch/a.go", imports(module + "/detector/event"), "may not import detector/event"},
		{"nor do its tests", "stats/a_test.go", imports(module + "/detector/event"), "may not import detector/event"},
		{"fixtures know no stats", "fixtures/a.go", imports(module + "/stats"), "may not import stats"},
		{"nor do their tests", "fixtures/a_test.go", imports(module + "/stats/sketch"), "may not import stats/sketch"},
		{"no fixtures in the program's core", "detector/a.go", imports(module + "/fixtures"), "may not import fixtures"},
		{"the core knows no edge", "detector/a.go", imports(module + "/detector/stream"), "may not import detector/stream"},
		{"edges know no edge", "detector/notify/a.go", imports(module + "/detector/warroom"), "may not import detector/warroom"},
		{"nothing imports upwards", "detector/event/a.go", imports(module + "/detector/cohort"), "may not import detector/cohort"},
		{"one importer of the Kafka client", "cmd/drainwatch/a.go", imports("github.com/segmentio/kafka-go/sasl"), "only detector/stream may import"},
		{"and of the embedded broker, in tests too", "detector/a_test.go", imports("github.com/twmb/franz-go/pkg/kfake"), "only detector/stream may import"},
		{"what serves tests stays in tests", "cmd/drainwatch/a.go", imports(module + "/detector/stream/kafkatest"), "serves tests only"},
		{"no IO in the core", "detector/incident/a.go", imports("net/http"), "does no IO"},
		{"a package without a layer", "detector/helpers/a.go", pkg, "has no layer"},
		{"a package without doc.go", "stats/new/a.go", "package x\n", "no doc.go"},
		{"a doc.go that says nothing", "stats/new/doc.go", "package x\n", "no package comment"},
		{"a file that does not parse", "stats/a.go", "pakcage x\n", "expected 'package'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			write := func(file, text string) {
				full := filepath.Join(root, filepath.FromSlash(file))
				if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if !strings.HasPrefix(c.file, "stats/new/") {
				write(path.Dir(c.file)+"/doc.go", pkg)
			}
			write("detector/testdata/a.go", imports(module+"/fixtures")) // never compiled, never looked at
			write(c.file, c.text)
			faults := layerFaults(t, root)
			if c.want == "" && len(faults) > 0 || c.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], c.want)) {
				t.Errorf("faults %q, want one with %q", faults, c.want)
			}
		})
	}
}

// layerFaults returns what is wrong with the Go files below root, a line each.
func layerFaults(t *testing.T, root string) (faults []string) {
	t.Helper()
	documented := map[string]bool{} // directories with Go files, true if doc.go has a package comment
	err := filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if name := d.Name(); d.IsDir() {
			if rel != "." && (name[0] == '.' || name[0] == '_' || name == "testdata" || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), full, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			faults = append(faults, err.Error())
			return nil
		}
		dir := path.Dir(rel)
		documented[dir] = documented[dir] || path.Base(rel) == "doc.go" && file.Doc != nil
		if path.Base(rel) == "doc.go" && file.Doc == nil {
			faults = append(faults, rel+": no package comment")
			documented[dir] = true // said once
		}
		for _, spec := range file.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if fault := importFault(dir, target, strings.HasSuffix(rel, "_test.go")); fault != "" {
				faults = append(faults, rel+": "+fault)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, ok := range documented {
		if _, known := layers[layerOf(dir)]; !known {
			faults = append(faults, dir+": has no layer; add it to the table of this test")
		} else if !ok {
			faults = append(faults, dir+": no doc.go with a package comment")
		}
	}
	slices.Sort(faults)
	return faults
}

// importFault says what is wrong with dir importing target, or nothing.
func importFault(dir, target string, test bool) string {
	layer := layerOf(dir)
	for prefix, owner := range owners {
		if within(target, prefix) && target != "math/rand/v2" && layer != owner {
			if owner == "" {
				return fmt.Sprintf("nothing here may import %s", target)
			}
			return fmt.Sprintf("only %s may import %s", owner, target)
		}
	}
	if !test && slices.Contains(pure, layer) {
		for _, prefix := range impure {
			if target == prefix || strings.Contains(prefix, ".") && within(target, prefix) {
				return fmt.Sprintf("%s does no IO, but imports %s", layer, target)
			}
		}
	}
	if !within(target, module) {
		return ""
	}
	target = strings.TrimPrefix(strings.TrimPrefix(target, module), "/")
	if _, known := layers[target]; !test && !known && strings.HasSuffix(target, "test") {
		return fmt.Sprintf("%s serves tests only", target)
	}
	to := layerOf(target)
	switch {
	case to == layer, slices.Contains(layers[layer], to):
		return ""
	case test && layer != "stats" && layer != "fixtures":
		return "" // tests may look down from anywhere, but stats and fixtures stay apart
	}
	return fmt.Sprintf("%s may not import %s", layer, target)
}

// layerOf returns the line of the table that a directory falls under.
func layerOf(dir string) string {
	for _, tree := range []string{"stats", "fixtures", "detector/stream", "detector/state", "detector/notify"} {
		if within(dir, tree) {
			return tree
		}
	}
	return dir
}

// within tells whether an import path is prefix or lies below it. Major-version suffixes count as below.
func within(p, prefix string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }
