package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/event"
)

func newUsersCmd() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use:   "users USER",
		Short: "Ask a running service about one user: usage, baseline, windows, incidents",
		Long: `users tells what a running service knows of one user: what they draw lately and usually, how their windows stand,
which incidents name them and what they are owed. Devices, networks and keys are counted, never named.`,
		Example: `  drainwatch users u_f615a9715a7
  drainwatch users u_f615a9715a7 --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return fmt.Errorf("name one user")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var u userShown
			raw, err := a.get(cmd.Context(), "/api/v1/users/"+url.PathEscape(args[0]), nil, &u)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			u.print(cmd.OutOrStdout())
			return nil
		},
	}
	a.addServerFlags(cmd)
	return cmd
}

type usageShown struct {
	Credits, Rows, Requests, Turns float64
}

func (u usageShown) String() string {
	return fmt.Sprintf("%s credits, %s rows, %s requests, %s turns", figure(u.Credits), figure(u.Rows), figure(u.Requests), figure(u.Turns))
}

// userShown is the part of an answer that is shown.
type userShown struct {
	User    string
	Cohort  map[string]string
	FirstAt *time.Time `json:"first_at"`
	LastAt  *time.Time `json:"last_at"`
	Usage   struct {
		Today usageShown
		Five  usageShown `json:"recent_5h"`
	}
	Baseline struct {
		Days   float64
		Active float64    `json:"active_buckets"`
		Bucket usageShown `json:"an_active_bucket"`
		Day    usageShown `json:"a_day"`
		Held   bool       `json:"learning_held"`
		Volume float64    `json:"volume_nats"`
		Novel  float64    `json:"new_identity_nats"`
	}
	Awake      int `json:"active_hours_of_24"`
	Identities []struct {
		Kind   string
		Active int `json:"active_within_day"`
		Fresh  int `json:"first_seen_within_day"`
	}
	Windows []struct {
		Name    string
		Budget  float64 `json:"budget_credits"`
		Used    float64 `json:"used_share"`
		PerHour float64 `json:"credits_per_hour"`
		Ends    *time.Time
		Dry     bool `json:"runs_dry_early"`
	}
	Incidents []struct {
		Incident, Status, Headline string
		Overcharge                 *event.Sum `json:"overcharge_credits"`
	}
	AsOf time.Time `json:"as_of"`
}

func (u *userShown) print(w io.Writer) {
	width, _ := terminalSize(w)
	b := blockWriter{w: w, width: width, label: 18}
	b.line("", "", "user "+u.User)
	var dims []string
	for _, d := range sortedKeys(u.Cohort) {
		dims = append(dims, d+"="+u.Cohort[d])
	}
	b.line("", "cohort", strings.Join(dims, " "))
	if u.FirstAt != nil && u.LastAt != nil {
		b.line("", "seen", fmt.Sprintf("%s to %s; rows are read up to %s", clock(*u.FirstAt), clock(*u.LastAt), clock(u.AsOf)))
	}
	b.line("", "today", u.Usage.Today.String())
	b.line("", "lately", fmt.Sprintf("%s credits, %s rows, %s requests (fading, half in five hours)", figure(u.Usage.Five.Credits), figure(u.Usage.Five.Rows), figure(u.Usage.Five.Requests)))
	b.line("", "usual day", fmt.Sprintf("%s (over %s days)", u.Baseline.Day, figure(u.Baseline.Days)))
	b.line("", "usual pace", fmt.Sprintf("%s an active ten minutes (over %s of them)", u.Baseline.Bucket, figure(u.Baseline.Active)))
	text := fmt.Sprintf("%s nats of more than usual, %s by new identities", figure(u.Baseline.Volume), figure(u.Baseline.Novel))
	if u.Baseline.Held {
		text += "; it stands, so nothing is learned"
	}
	b.line("", "evidence", text)
	b.line("", "at work", fmt.Sprintf("in %d of 24 hours", u.Awake))
	var ids []string
	for _, k := range u.Identities {
		ids = append(ids, fmt.Sprintf("%d of kind %s (%d new)", k.Active, strings.ReplaceAll(k.Kind, "_", " "), k.Fresh))
	}
	b.line("", "within a day", strings.Join(ids, ", "))
	for _, x := range u.Windows {
		text := fmt.Sprintf("%.0f%% of %s credits used, %s an hour lately", 100*x.Used, figure(x.Budget), figure(x.PerHour))
		if x.Ends != nil {
			text += ", ends " + clock(*x.Ends)
		}
		if x.Dry {
			text += ", runs dry before"
		}
		b.line("", neutral(x.Name), text)
	}
	for _, i := range u.Incidents {
		text := i.Status + ": " + i.Headline
		if i.Overcharge != nil {
			text += "; this user's overcharge is " + i.Overcharge.String()
		}
		b.line("", i.Incident, text)
	}
	if len(u.Incidents) == 0 {
		b.line("", "incidents", "none")
	}
}
