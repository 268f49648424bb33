package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/event"
)

func newIncidentsCmd() *cobra.Command {
	var a asker
	var limit int
	filters := map[string]*string{"status": new(""), "class": new(""), "from": new(""), "to": new(""), "cursor": new("")}
	cmd := &cobra.Command{
		Use:   "incidents",
		Short: "List the incidents of a running service, and say what is known of them",
		Long: `incidents lists what a running service found, the youngest first. explain INCIDENT --server tells one of them.
ack, label and note say what people know; the service keeps that on disk.`,
		Example: `  drainwatch incidents
  drainwatch incidents --status firing --class metering_bug --json
  drainwatch incidents label inc_9f2c41d07a metering_bug price`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, v := range filters {
				if *v != "" {
					q.Set(name, *v)
				}
			}
			var list incidentTable
			raw, err := a.get(cmd.Context(), "/api/v1/incidents", q, &list)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			return list.print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(filters["status"], "status", "", "only firing or resolved ones")
	f.StringVar(filters["class"], "class", "", "only of this class, such as metering_bug")
	f.StringVar(filters["from"], "from", "", "only what went on at or after this time: RFC 3339, or -6h for six hours before the newest row")
	f.StringVar(filters["to"], "to", "", "only what began before this time")
	f.StringVar(filters["cursor"], "cursor", "", "go on where a page ended")
	f.IntVar(&limit, "limit", 50, "how many are listed, 500 at most")
	a.addServerFlags(cmd)
	cmd.AddCommand(
		newRemarkCmd("ack INCIDENT", "Say that somebody works on it; the first stands", "  drainwatch incidents ack inc_9f2c41d07a --by ann", 1, 1, func([]string) map[string]string { return map[string]string{} }),
		newRemarkCmd("label INCIDENT CLASS [CAUSE]", "Say what it was: the truth as people found it; the latest counts", "  drainwatch incidents label inc_9f2c41d07a metering_bug price", 2, 3, func(args []string) map[string]string {
			body := map[string]string{"class": args[0]}
			if len(args) > 1 {
				body["cause"] = args[1]
			}
			return body
		}),
		newRemarkCmd("note INCIDENT TEXT", "Add a note", `  drainwatch incidents note inc_9f2c41d07a "meter m-4.1.1 is rolled back"`, 2, 2, func(args []string) map[string]string { return map[string]string{"text": args[0]} }),
	)
	return cmd
}

// newRemarkCmd returns a command that says something of an incident.
func newRemarkCmd(use, short, example string, least, most int, body func(args []string) map[string]string) *cobra.Command {
	var a asker
	var by string
	kind, _, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.RangeArgs(least, most),
		RunE: func(cmd *cobra.Command, args []string) error {
			b := body(args[1:])
			if by != "" {
				b["by"] = by
			}
			text, err := json.Marshal(b)
			if err != nil {
				return err
			}
			raw, err := a.do(cmd.Context(), http.MethodPost, "/api/v1/incidents/"+url.PathEscape(args[0])+"/"+kind, text, &struct{}{})
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: kept\n", neutral(args[0]))
			return err
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "who says so")
	a.addServerFlags(cmd)
	return cmd
}

// incidentTable is the part of a list that is shown.
type incidentTable struct {
	Incidents []struct {
		Incident, Status, Severity, Headline string
		StartedAt                            time.Time `json:"started_at"`
		Users                                int64     `json:"users_affected"`
		Overcharge                           event.Sum `json:"overcharge_credits"`
		Acknowledged                         bool
	}
	Next *string `json:"next_cursor"`
}

func (l *incidentTable) print(w io.Writer) error {
	if len(l.Incidents) == 0 {
		_, err := fmt.Fprintln(w, "no incidents")
		return err
	}
	t := newTable(w)
	fmt.Fprintln(t, "INCIDENT\tSTATUS\tSEVERITY\tSINCE\tUSERS\tCREDITS\tWHAT")
	for _, i := range l.Incidents {
		status := i.Status
		if i.Acknowledged {
			status += ", acknowledged"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", neutral(i.Incident), neutral(status), neutral(i.Severity), clock(i.StartedAt), grouped(strconv.FormatInt(i.Users, 10)), credits(i.Overcharge), neutral(i.Headline))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if l.Next != nil {
		fmt.Fprintf(w, "more: --cursor %s\n", neutral(*l.Next))
	}
	return nil
}
