package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

const (
	envPrefix      = "DRAINWATCH_"
	maxConfigBytes = 4 << 20 // a rate card of 20,000 lines; what is larger is not a configuration
)

// binding lays a flag over a key.
type binding struct{ flag, key string }

// kafkaEnv maps the variables that Kafka tools share to keys. They lie below the program's own variables.
var kafkaEnv = []struct{ name, key string }{
	{"KAFKA_BROKERS", "ingest.brokers"},
	{"KAFKA_TLS_ENABLED", "ingest.tls.enabled"},
	{"KAFKA_TLS_CAFILEPATH", "ingest.tls.ca_file"},
	{"KAFKA_TLS_CERTFILEPATH", "ingest.tls.cert_file"},
	{"KAFKA_TLS_KEYFILEPATH", "ingest.tls.key_file"},
	{"KAFKA_SASL_MECHANISM", "ingest.sasl.mechanism"},
	{"KAFKA_SASL_USERNAME", "ingest.sasl.username"},
}

// loaded is a configuration that was found right, and what is worth saying about it.
type loaded struct {
	*Config
	warnings []string
}

// logWarnings says what config check would warn of.
func (l *loaded) logWarnings(log zerolog.Logger) {
	for _, w := range l.warnings {
		log.Warn().Msg("configuration: " + w)
	}
}

// addConfigFlag adds --config to cmd.
func addConfigFlag(cmd *cobra.Command) {
	cmd.Flags().String("config", "", "configuration file (YAML); also "+envPrefix+"CONFIG")
}

// loadConfig reads the file that --config or DRAINWATCH_CONFIG names, lays the environment and then the flags
// of cmd over it, and reports everything that is wrong at once.
func loadConfig(cmd *cobra.Command, bindings ...binding) (loaded, error) {
	file, _ := cmd.Flags().GetString("config")
	if file == "" {
		file = os.Getenv(envPrefix + "CONFIG")
	}
	flags := map[string]string{}
	for _, b := range bindings {
		if f := cmd.Flags().Lookup(b.flag); f != nil && f.Changed {
			flags[b.flag] = f.Value.String()
			if list, ok := f.Value.(pflag.SliceValue); ok {
				flags[b.flag] = strings.Join(list.GetSlice(), ",")
			}
		}
	}
	var text []byte
	if file != "" {
		var err error
		if text, err = readConfigFile(file); err != nil {
			return loaded{}, err
		}
	}
	return parseConfig(file, text, os.Environ(), bindings, flags)
}

func readConfigFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usagef("read configuration %s: %w; name a readable file with --config", file, errors.Unwrap(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	switch {
	case err != nil:
		return nil, usagef("read configuration %s: %w; name a readable file with --config", file, errors.Unwrap(err))
	case len(text) > maxConfigBytes:
		return nil, usagef("read configuration %s: larger than %d MiB; name a YAML file with --config", file, maxConfigBytes>>20)
	}
	return text, nil
}

// parseConfig is loadConfig without the outside world.
func parseConfig(file string, text []byte, environ []string, bindings []binding, flags map[string]string) (loaded, error) {
	d := &decoder{file: file, origins: map[*yaml.Node]string{}, places: map[string]place{}}
	root := d.parseFile(text)
	leaves := leafTypes("", reflect.TypeFor[Config](), map[string]reflect.Type{})
	out := loaded{Config: defaultConfig()}

	env := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && value != "" {
			env[name] = value
		}
	}
	for _, k := range kafkaEnv {
		if strings.HasPrefix(k.name, "KAFKA_SASL_") && env["KAFKA_SASL_ENABLED"] == "false" {
			continue
		}
		if value, ok := env[k.name]; ok {
			d.overlay(root, k.name, k.key, value, leaves[k.key])
		}
	}
	if env["KAFKA_SASL_ENABLED"] != "false" {
		out.kafkaPassword = env["KAFKA_SASL_PASSWORD"]
	}
	// Besides the keys: where the file is, and what the project's own tests are told.
	known := map[string]bool{envPrefix + "CONFIG": true, envPrefix + "REQUIRE_KAFKA": true, envPrefix + "REQUIRE_ALERTMANAGER": true, envPrefix + "KAFKA": true, envPrefix + "TEST_AS_PROGRAM": true}
	for _, key := range sortedKeys(leaves) {
		name := envName(key)
		known[name] = true
		if value, ok := env[name]; ok {
			d.overlay(root, name, key, value, leaves[key])
		}
	}
	for _, name := range sortedKeys(env) {
		// Not an error: Kubernetes injects DRAINWATCH_SERVICE_HOST and the like into every pod beside a service of that name.
		if strings.HasPrefix(name, envPrefix) && !known[name] {
			out.warnings = append(out.warnings, fmt.Sprintf("%s: no key has that variable; it is ignored", name))
		}
	}
	for _, b := range bindings {
		if value, ok := flags[b.flag]; ok {
			d.overlay(root, "--"+b.flag, b.key, value, leaves[b.key])
		}
	}

	d.decode("", root, reflect.ValueOf(out.Config).Elem())
	broken := slices.Clone(d.faults)
	c := checker{decoder: d, Config: out.Config, warnings: &out.warnings}
	c.check()
	// A key that could not be read holds a default, so what a rule says about it, or about what lies around it, is noise.
	d.faults = slices.DeleteFunc(d.faults, func(f fault) bool {
		return slices.ContainsFunc(broken, func(b fault) bool { return f != b && related(f.key, b.key) && !slices.Contains(broken, f) })
	})
	if len(d.faults) > 0 {
		sort.SliceStable(d.faults, func(i, j int) bool { return d.faults[i].line < d.faults[j].line })
		return loaded{}, usageError{d.faults}
	}
	return out, nil
}

// related reports whether one key lies on the path of the other.
func related(a, b string) bool {
	within := func(inner, outer string) bool {
		rest, ok := strings.CutPrefix(inner, outer)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	return within(a, b) || within(b, a)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// parseFile returns the root mapping of the file, an empty one if the file holds none or cannot be read.
func (d *decoder) parseFile(text []byte) *yaml.Node {
	empty := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	d.origins[empty] = d.file
	if d.file == "" {
		d.origins[empty] = "defaults"
	}
	docs := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := docs.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) { // an empty file configures nothing
			d.broken(err)
		}
		return empty
	}
	var second yaml.Node
	switch err := docs.Decode(&second); {
	case err == nil:
		d.fault(&second, "", "a second document begins here; keep one document in the file")
	case !errors.Is(err, io.EOF):
		d.broken(err)
		return empty
	}
	root := doc.Content[0]
	if root.Tag == "!!null" {
		return empty
	}
	return root
}

// broken notes that the file is no YAML at all.
func (d *decoder) broken(err error) {
	line := 0
	what := err.Error()
	if m := yamlLine.FindStringSubmatch(what); m != nil {
		line, _ = strconv.Atoi(m[1])
		what = what[len(m[0]):]
	}
	d.faults = append(d.faults, fault{place{source: d.file, line: line}.String(), line, "", "is not YAML: " + what + "; mend the indentation or the quotes there"})
}

// overlay puts the text of a variable or flag in the place of key.
func (d *decoder) overlay(root *yaml.Node, source, key, text string, t reflect.Type) {
	if root.Kind != yaml.MappingNode {
		return // the file as a whole is refused already
	}
	value := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch {
	case t == reflect.TypeFor[[]string]() && !strings.HasPrefix(text, "["):
		value = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for part := range strings.SplitSeq(text, ",") {
			value.Content = append(value.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(part)})
		}
	case t.Kind() != reflect.String:
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
			d.faults = append(d.faults, fault{source, 0, key, "is not YAML; write the value as it would stand in the file"})
			return
		}
		value = doc.Content[0]
	}
	d.mark(value, source)
	at := root
	words := strings.Split(key, ".")
	for _, word := range words[:len(words)-1] {
		next := child(at, word)
		switch {
		case next == nil || next.Tag == "!!null":
			next = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			d.origins[next] = source
			setChild(at, word, next)
		case next.Kind == yaml.AliasNode: // what the anchor says elsewhere stays as it is
			line := next.Line
			clone := *next.Alias
			next = &clone
			next.Line, next.Content = line, slices.Clone(next.Content)
			setChild(at, word, next)
		}
		if next.Kind != yaml.MappingNode {
			return // refused where it stands
		}
		at = next
	}
	setChild(at, words[len(words)-1], value)
}

// mark notes that n and everything below it came from source.
func (d *decoder) mark(n *yaml.Node, source string) {
	d.origins[n] = source
	for _, c := range n.Content {
		d.mark(c, source)
	}
}

func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func setChild(n *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = value
			return
		}
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
}

// leafTypes collects the keys below t that a variable can set: every value, list and map that is not a group of fixed keys.
func leafTypes(path string, t reflect.Type, into map[string]reflect.Type) map[string]reflect.Type {
	if t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[scalar]()) {
		for field := range t.Fields() {
			if key := keyOf(field); key != "" {
				leafTypes(join(path, key), field.Type, into)
			}
		}
		return into
	}
	into[path] = t
	return into
}

// envName returns the variable of a key: ingest.tls.ca_file is DRAINWATCH_INGEST_TLS_CA_FILE.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
