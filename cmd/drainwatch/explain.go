package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// explain is what the flags of the command say.
type explain struct {
	alerts []string
	asker
}

func newExplainCmd() *cobra.Command {
	var o explain
	cmd := &cobra.Command{
		Use:   "explain INCIDENT",
		Short: "Tell one incident in words and numbers, on a page",
		Long: `explain says of one incident what it is, whom it hits, since when, how sure that is, what speaks for the verdict and
against it, what else was ruled out and by which figure, what would change the verdict, what to do next, and how it
came to that: each revision with what it changed.

It reads the records that replay --alerts wrote, or that the alerts topic holds, one JSON object a line; or it asks a
running service.`,
		Example: `  drainwatch explain inc_9f2c41d07a --alerts alerts.jsonl
  drainwatch explain inc_9f2c41d07a --alerts alerts.jsonl.gz --json
  drainwatch explain inc_9f2c41d07a --server http://127.0.0.1:8080`,
		Args: oneIncident,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.alerts, "alerts", nil, "file with alert records, one a line, also .gz or .zst; - is standard input; repeatable")
	o.addServerFlags(cmd)
	return cmd
}

// oneIncident asks for the one argument that says which incident.
func oneIncident(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("name one incident, such as inc_9f2c41d07a")
	}
	return nil
}

func (o *explain) run(cmd *cobra.Command, id string) error {
	if len(o.alerts) == 0 {
		return o.ask(cmd, id)
	}
	if o.server != "" {
		return usagef("read command line: --alerts and --server both say where to look; give one of them")
	}
	records, err := readAlerts(cmd.Context(), o.alerts, cmd.InOrStdin(), id)
	if err != nil {
		return err
	}
	return printExplanation(cmd.OutOrStdout(), incident.Explain(records), o.json)
}

// ask tells the incident as a running service knows it.
func (o *explain) ask(cmd *cobra.Command, id string) error {
	var x incident.Explanation
	raw, err := o.get(cmd.Context(), "/api/v1/incidents/"+url.PathEscape(id), nil, &x)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), raw)
	}
	return printExplanation(cmd.OutOrStdout(), x, false)
}

// readAlerts returns the records of one incident in files of alert records.
func readAlerts(ctx context.Context, names []string, stdin io.Reader, id string) ([]incident.Record, error) {
	in, err := openNamed("alerts", names, stdin)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var found []incident.Record
	var known []string
	err = in.Batches(ctx, func(lines []detector.Record) error {
		for _, l := range lines {
			var r incident.Record
			if err := json.Unmarshal([]byte(l.Value), &r); err != nil || r.V != 1 || r.Incident == "" || r.Revision < 1 {
				name, line := in.line(l.Offset)
				return usagef("read alerts %s:%d: %s; name a file that replay --alerts wrote", name, line, notARecord(err, &r))
			}
			if r.Incident == id {
				found = append(found, r)
			} else if !slices.Contains(known, r.Incident) {
				known = append(known, r.Incident)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, usagef("explain %s: %s", id, nearIncidents(id, known))
	}
	return found, nil
}

func notARecord(err error, r *incident.Record) string {
	switch {
	case err != nil:
		return "no alert record (" + err.Error() + ")"
	case r.V != 0 && r.V != 1:
		return fmt.Sprintf("an alert record of version %d, and this program reads version 1", r.V)
	}
	return "no alert record: v, incident and revision are missing"
}

// nearIncidents says which incidents there are, those first that look like id.
func nearIncidents(id string, known []string) string {
	if len(known) == 0 {
		return "no such incident, and no other either; is this the right file?"
	}
	slices.SortStableFunc(known, func(a, b string) int { return nearness(id, a) - nearness(id, b) })
	const most = 5
	text := "no such incident; the nearest are " + strings.Join(known[:min(most, len(known))], ", ")
	if n := len(known) - most; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return text
}

// nearness is small for what was meant: a beginning of the id, as people copy them, or a slip.
func nearness(id, known string) int {
	if strings.HasPrefix(known, id) || strings.HasPrefix(known, "inc_"+id) {
		return 0
	}
	return distance(id[:min(len(id), 64)], known[:min(len(known), 64)])
}

// printExplanation writes an explanation as a page of text, or as JSON that is safe to print.
func printExplanation(w io.Writer, x incident.Explanation, asJSON bool) error {
	if asJSON {
		return printJSON(w, x)
	}
	width, _ := terminalSize(w)
	b := blockWriter{w: w, width: width, color: wantsColor(w), label: 16}
	r := &x.Alert
	b.line(severityColor(r.Severity), "", x.Headline)
	b.line("", "incident", fmt.Sprintf("%s, %s, %s, revision %d", r.Incident, r.Status, r.Severity, r.Revision))
	if x.Continued != "" {
		b.line("", "goes on", "as "+x.Continued+": that is the one to work on")
	}
	b.line("", "who", fmt.Sprintf("%s; %s affected", x.Who, count(int64(r.UsersAffected), "user", "users")))
	since := fmt.Sprintf("%s, found %s later", clock(r.StartedAt), elapsed(r.DetectedAt.Sub(r.StartedAt)))
	if r.EndedAt != nil {
		since += fmt.Sprintf(", over since %s (%s)", clock(*r.EndedAt), elapsed(r.EndedAt.Sub(r.StartedAt)))
	}
	b.line("", "since", since)
	if x.Began != "" {
		b.line("", "began", x.Began)
	}
	if !r.Overcharge.IsZero() {
		word := "overcharged"
		if r.Overcharge.Float64() < 0 {
			word = "undercharged"
		}
		b.line("", "how much", fmt.Sprintf("%s credits %s", strings.TrimPrefix(r.Overcharge.String(), "-"), word))
	}
	if split := r.Split(times); split != "" {
		b.line("", "split", split)
	}
	b.line("", "how sure", x.Sure)
	for _, e := range x.For {
		b.line("", "for", evidenceLine(e))
	}
	for _, e := range x.Against {
		b.line("", "against", evidenceLine(e))
	}
	for _, o := range x.RuledOut {
		b.line("", "ruled out", o.What+": "+o.By)
	}
	for _, o := range x.AlsoMoved {
		b.line("", "not ruled out", o.What+": "+o.By)
	}
	for _, text := range x.WouldChange {
		b.line("", "would change", text)
	}
	if x.Next != "" {
		b.line("", "next", x.Next)
	}
	for _, name := range sortedKeys(r.Links) {
		b.line("", "see", r.Links[name])
	}
	if r.Runbook != "" {
		b.line("", "runbook", r.Runbook)
	}
	for _, c := range x.Timeline {
		b.line("", fmt.Sprintf("revision %d", c.Revision), fmt.Sprintf("%s  %s", clock(c.At), strings.Join(c.What, ", ")))
	}
	if x.Missing > 0 {
		b.line("", "missing", fmt.Sprintf("%s before the last were not given: the timeline has gaps", count(int64(x.Missing), "revision", "revisions")))
	}
	return nil
}

// printJSON writes a value as indented JSON in which what does not print is escaped, so that a terminal is as safe as a file.
func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	var b strings.Builder
	for s := string(text); s != ""; {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '\n' || incident.Neutral(s[:n]) == s[:n]:
			b.WriteString(s[:n])
		case r <= math.MaxUint16:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		s = s[n:]
	}
	_, err = fmt.Fprintln(w, b.String())
	return err
}
