package main

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fault is one thing that is wrong with the configuration.
type fault struct {
	where string // file and line, or the variable or flag it came from
	line  int
	key   string // path of the key; "" for the file as a whole
	what  string // what is wrong; what would be right
}

func (f fault) Error() string {
	if f.key == "" {
		return f.where + ": " + f.what
	}
	return f.where + ": " + f.key + ": " + f.what
}

// faults is everything that is wrong with a configuration, in the order of its lines.
type faults []fault

func (f faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "; ")
}

// place says where a value came from.
type place struct {
	source string // file name, or the variable or flag
	line   int    // 0 outside of files
	block  bool   // it is a text that begins on the next line
}

func (p place) String() string {
	if p.line == 0 {
		return p.source
	}
	return p.source + ":" + strconv.Itoa(p.line)
}

// decoder turns a tree of YAML nodes into typed values. It is written by hand, rather than left to the YAML
// package, because that one stops at the first unknown key, reads money as floats and forgets line numbers.
type decoder struct {
	file    string
	origins map[*yaml.Node]string // values that did not come from the file
	places  map[string]place      // by path of the key
	faults  faults
}

func (d *decoder) place(n *yaml.Node) place {
	if source, ok := d.origins[n]; ok {
		return place{source: source}
	}
	return place{d.file, n.Line, n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0}
}

func (d *decoder) fault(n *yaml.Node, path, format string, args ...any) {
	p := d.place(n)
	d.faults = append(d.faults, fault{p.String(), p.line, path, fmt.Sprintf(format, args...)})
}

// decode reads n into v, which is addressable, noting where every key came from.
func (d *decoder) decode(path string, n *yaml.Node, v reflect.Value) {
	d.places[path] = d.place(n)
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if s, ok := reflect.TypeAssert[scalar](v.Addr()); ok {
		if text, ok := d.scalar(path, n, "a value"); ok {
			if err := s.parse(text); err != nil {
				d.fault(n, path, "%q %v", text, err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(path, n, v.Elem())
	case reflect.Struct:
		d.decodeStruct(path, n, v)
	case reflect.Map:
		d.decodeMap(path, n, v)
	case reflect.Slice:
		d.decodeList(path, n, v)
	case reflect.String:
		if text, ok := d.scalar(path, n, "text"); ok {
			if n.Tag != "!!str" {
				d.fault(n, path, "%q reads as %s, not as text; put it in quotes", text, strings.TrimPrefix(n.Tag, "!!"))
				return
			}
			v.SetString(text)
		}
	case reflect.Bool:
		if text, ok := d.scalar(path, n, "true or false"); ok {
			if n.Tag != "!!bool" {
				d.fault(n, path, "%q is neither true nor false", text)
				return
			}
			v.SetBool(strings.EqualFold(text, "true"))
		}
	case reflect.Int:
		if text, ok := d.scalar(path, n, "a whole number"); ok {
			i, err := strconv.Atoi(text)
			if err != nil {
				d.fault(n, path, "%q is not a whole number; write it in digits", text)
				return
			}
			v.SetInt(int64(i))
		}
	case reflect.Float64:
		if text, ok := d.scalar(path, n, "a number"); ok {
			f, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
				d.fault(n, path, "%q is not a finite number; write it in digits, such as 1.5", text)
				return
			}
			v.SetFloat(f)
		}
	default:
		panic("config: no decoder for " + v.Type().String()) // a field of Config that this file does not know: found by every test
	}
}

// scalar returns the text of n, which has to be a single value that is not empty.
func (d *decoder) scalar(path string, n *yaml.Node, want string) (string, bool) {
	switch {
	case n.Kind == yaml.SequenceNode:
		d.fault(n, path, "is a list; write %s", want)
	case n.Kind == yaml.MappingNode:
		d.fault(n, path, "is a group of keys; write %s", want)
	case n.Tag == "!!null":
		d.fault(n, path, "has no value; write %s, or leave the key out", want)
	default:
		return n.Value, true
	}
	return "", false
}

// pairs calls fn with each key and value of the mapping n and refuses keys that stand there twice.
func (d *decoder) pairs(path string, n *yaml.Node, fn func(key string, kn, vn *yaml.Node)) {
	if n.Tag == "!!null" { // "ingest:" with every line below it commented out
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, "is not a group of keys; write it as key: value")
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		kn, vn := n.Content[i], n.Content[i+1]
		if kn.Kind != yaml.ScalarNode {
			d.fault(kn, path, "has a key that is not a word; write it as key: value")
			continue
		}
		if first, again := lines[kn.Value]; again {
			d.fault(kn, join(path, kn.Value), "stands here twice, first on line %d; keep one of them", first)
			continue
		}
		lines[kn.Value] = kn.Line
		fn(kn.Value, kn, vn)
	}
}

func (d *decoder) decodeStruct(path string, n *yaml.Node, v reflect.Value) {
	d.pairs(path, n, func(key string, kn, vn *yaml.Node) {
		for i := range v.NumField() {
			if name := keyOf(v.Type().Field(i)); name == key && name != "" {
				d.decode(join(path, key), vn, v.Field(i))
				return
			}
		}
		known := keysOf(v.Type())
		if slices.Contains(known, key+"_file") {
			d.fault(kn, join(path, key), "no secret may stand in the configuration; write it to a file that only this program can read, and name that in %s_file", key)
			return
		}
		d.fault(kn, join(path, key), "unknown key; %s", suggest(key, known))
	})
}

func (d *decoder) decodeMap(path string, n *yaml.Node, v reflect.Value) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	d.pairs(path, n, func(key string, _, vn *yaml.Node) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.decode(join(path, key), vn, elem)
		v.SetMapIndex(reflect.ValueOf(key), elem)
	})
}

func (d *decoder) decodeList(path string, n *yaml.Node, v reflect.Value) {
	if n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fault(n, path, "is not a list; write [a, b] or one entry a line after a dash")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, child := range n.Content {
		d.decode(fmt.Sprintf("%s[%d]", path, i), child, list.Index(i))
	}
	v.Set(list)
}

// keyOf returns the key of a field of Config, "" for one that no file can set.
func keyOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for field := range t.Fields() {
		if key := keyOf(field); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// suggest names the known word that got meant, or all of them.
func suggest(word string, known []string) string {
	best := slices.MinFunc(known, func(a, b string) int { return distance(word, a) - distance(word, b) })
	if distance(word, best) <= 1+len(word)/4 {
		return "did you mean " + best + "?"
	}
	return "use one of " + strings.Join(known, ", ")
}

// distance returns the number of single-byte edits between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
