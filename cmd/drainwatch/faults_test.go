package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The table of faults in doc.go names every row once, and only tests and steps that there are. A test that has a row's number in its name
// stands in that row.
func TestFaultTable(t *testing.T) {
	sources := map[string]string{} // of a package's tests
	for _, dir := range append([]string{".", "../../detector"}, subdirectories(t, "../../detector")...) {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			sources[filepath.Base(dir)] += text(t, f)
		}
	}
	numbered := map[string]string{} // tests with a row's number in their names
	for name, source := range sources {
		for _, m := range regexp.MustCompile(`(?m)^func (TestFault(\d\d)\w*)`).FindAllStringSubmatch(source, -1) {
			numbered[strings.TrimPrefix(name+"."+m[1], "..")] = m[2]
		}
	}
	proof := regexp.MustCompile(`(?:(\w+)\.)?(Test\w+|soak)(?: "([^"]+)")?`)
	next := 1
	for line := range strings.Lines(text(t, "doc.go")) {
		row := regexp.MustCompile(`^//\t([ \d]\d)  (.*)`).FindStringSubmatch(line)
		if row == nil {
			continue
		}
		if n, _ := strconv.Atoi(strings.TrimSpace(row[1])); n != next {
			t.Errorf("row %d follows row %d", n, next-1)
		}
		next++
		found := proof.FindAllStringSubmatch(row[2], -1)
		if len(found) == 0 && !strings.HasSuffix(row[2], " not yet") {
			t.Errorf("row %s names no test", row[1])
		}
		for _, m := range found {
			dir, name, part := m[1], m[2], m[3]
			if dir == "" {
				dir = "."
			}
			switch source := sources[dir]; {
			case name == "soak" && part != "" && !slices.ContainsFunc(append(slices.Clone(soakSteps), soakKill, soakUpgrade), func(s soakStep) bool { return s.name == part }):
				t.Errorf("row %s: there is no step %q", row[1], part)
			case name != "soak" && !strings.Contains(source, "\nfunc "+name+"("):
				t.Errorf("row %s: there is no %s.%s", row[1], dir, name)
			case name != "soak" && part != "" && !strings.Contains(source, strconv.Quote(part)):
				t.Errorf("row %s: %s.%s has no %q", row[1], dir, name, part)
			}
			key := strings.TrimPrefix(dir+"."+name, "..")
			if strings.TrimSpace(row[1]) == strings.TrimPrefix(numbered[key], "0") {
				delete(numbered, key)
			}
		}
	}
	if next != 44 {
		t.Errorf("%d rows", next-1)
	}
	for name, row := range numbered {
		t.Errorf("row %s does not name %s", row, name)
	}
}

func subdirectories(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}
