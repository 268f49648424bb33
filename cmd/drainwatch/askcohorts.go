package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newCohortsCmd() *cobra.Command {
	var a asker
	var limit int
	var where []string
	words := map[string]*string{"by": new(""), "from": new(""), "to": new(""), "step": new(""), "measure": new("")}
	cmd := &cobra.Command{
		Use:   "cohorts",
		Short: "Ask a running service what cohorts did in the last day",
		Long: `cohorts sums rows over any dimensions, step by step, from what a running service keeps of the last day: those with
most of the measure one by one, the rest together. Each figure stands beside the rows that it rests on.`,
		Example: `  drainwatch cohorts --by plan,region --from -6h
  drainwatch cohorts --by client_version --where client=cli --where plan=pro --measure requests_per_turn
  drainwatch cohorts --by meter --measure price --step 5m --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, v := range words {
				if *v != "" {
					q.Set(name, *v)
				}
			}
			for _, c := range where {
				q.Add("where", c)
			}
			var table cohortTable
			raw, err := a.get(cmd.Context(), "/api/v1/cohorts", q, &table)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			return table.print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(words["by"], "by", "", "dimensions, comma-separated: one cohort for each combination of their values; none is everybody")
	f.StringArrayVar(&where, "where", nil, "dimension=value; repeatable: several values of one dimension are alternatives")
	f.StringVar(words["from"], "from", "", "RFC 3339, or -6h for six hours before the newest row (default 24 h before --to)")
	f.StringVar(words["to"], "to", "", "end of the time (default the newest row)")
	f.StringVar(words["step"], "step", "", "a multiple of 5m (default about 60 steps)")
	f.StringVar(words["measure"], "measure", "", "credits (default), rows, requests, users, price, cached_share and others; a wrong one lists them")
	f.IntVar(&limit, "limit", 20, "how many cohorts are answered one by one, 100 at most")
	a.addServerFlags(cmd)
	return cmd
}

type cohortSumsShown struct {
	Total *float64
	Rows  int64
}

// cohortTable is the part of an answer that is shown.
type cohortTable struct {
	Measure, Unit, Step string
	By                  []string
	From, To            time.Time
	AsOf                time.Time `json:"as_of"`
	KeptFrom            time.Time `json:"kept_from"`
	Cohorts             []struct {
		cohortSumsShown
		Where  map[string]string
		Values []*float64
	}
	Others struct {
		cohortSumsShown
		Cohorts int64
	}
	Everything cohortSumsShown
}

func (c *cohortTable) print(w io.Writer) error {
	fmt.Fprintf(w, "%s (%s) from %s to %s, %s a step; rows up to %s\n", neutral(c.Measure), neutral(c.Unit), clock(c.From), clock(c.To), neutral(c.Step), clock(c.AsOf))
	if c.From.Before(c.KeptFrom) {
		fmt.Fprintf(w, "nothing is known of the time before %s\n", clock(c.KeptFrom))
	}
	t := newTable(w)
	fmt.Fprintf(t, "%s\tROWS\t%s\tCOURSE\n", strings.ToUpper(neutral(strings.Join(c.By, " "))), strings.ToUpper(neutral(c.Measure)))
	row := func(name string, s *cohortSumsShown, course string) {
		total := "-"
		if s.Total != nil {
			total = figure(*s.Total)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", name, grouped(strconv.FormatInt(s.Rows, 10)), total, course)
	}
	for i := range c.Cohorts {
		x := &c.Cohorts[i]
		var names []string
		for _, d := range c.By {
			name := neutral(x.Where[d])
			if name == "" {
				name = "(unknown)"
			}
			names = append(names, name)
		}
		row(strings.Join(names, " "), &x.cohortSumsShown, course(x.Values))
	}
	if c.Others.Cohorts > 0 {
		row(count(c.Others.Cohorts, "other", "others"), &c.Others.cohortSumsShown, "")
	}
	row("everything", &c.Everything, "")
	return t.Flush()
}

// course draws values as a line of blocks, the highest full; nothing where there is no value.
func course(values []*float64) string {
	const blocks = "▁▂▃▄▅▆▇█"
	most := 0.0
	for _, v := range values {
		if v != nil {
			most = max(most, *v)
		}
	}
	levels := []rune(blocks)
	var b strings.Builder
	for _, v := range values {
		if v == nil || most <= 0 || *v < 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(levels[min(int(*v/most*float64(len(levels))), len(levels)-1)])
	}
	return strings.TrimRight(b.String(), " ")
}
