package main

import (
	"context"
	"encoding/json"
	"math"

	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/stats/localise"
)

func newLocaliseCmd() *cobra.Command {
	var inputs []string
	cmd := &cobra.Command{
		Use:   "localise",
		Short: "Find what in a table changed, and where",
		Long: `localise reads tables of what was predicted and what really came, and prints for each one line of JSON: answer is the
shortest set of elements that explains the change, each a value for some of the dimensions ({} is everything), explanations
ranks them and the candidates that were turned down. score is how well an element stands, from 0 to 1; share is how much of all
change lies in it.

A table is a CSV file with a header. The columns predict and real are numbers, in any place; all others, at most 16, are
dimensions. An empty value of a dimension is unknown: no element names it. Rows with the same values are added up, and numbers
below 0 count as 0. Whether the numbers are counts or amounts is told from their noise. Files may be compressed with gzip or
zstd.`,
		Example: `  drainwatch localise --input table.csv
  drainwatch localise --input monday.csv.gz --input tuesday.csv.gz
  printf 'plan,region,predict,real\npro,eu,100,240\npro,us,80,79\nfree,eu,90,91\nfree,us,70,70\n' | drainwatch localise --input -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLocalise(cmd, inputs) },
	}
	cmd.Flags().StringArrayVar(&inputs, "input", nil, "CSV file, also .gz or .zst; - is standard input; repeatable")
	return cmd
}

func runLocalise(cmd *cobra.Command, names []string) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return usagef("read command line: no input; name a file with --input, or - for standard input")
	}
	in, err := openInputs(names, cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer in.Close()
	out := json.NewEncoder(cmd.OutOrStdout())
	out.SetEscapeHTML(false)
	for _, f := range in.files {
		t, err := readLeaves(cmd.Context(), in, f)
		if err != nil {
			return err
		}
		if t.negative > 0 {
			log.Warn().Str("input", f.name).Int("numbers", t.negative).Msg("localise: numbers below 0 count as 0")
		}
		if err := out.Encode(t.explain()); err != nil {
			return err
		}
	}
	return nil
}

// explanation is what the command prints of a table.
type explanation struct {
	Answer       []map[string]string `json:"answer"`
	Explanations []candidate         `json:"explanations"`
}

type candidate struct {
	Where map[string]string `json:"where"`
	Score float64           `json:"score"`
	Share float64           `json:"share"`
}

func (t *leaves) explain() explanation {
	answer, rejected := localise.Causes(t.cube)
	out := explanation{Answer: []map[string]string{}, Explanations: []candidate{}}
	for i, c := range append(answer, rejected...) {
		where := map[string]string{}
		for d, v := range c.Values {
			if v > 0 {
				where[t.dims[d]] = t.values[d][v-1]
			}
		}
		if i < len(answer) {
			out.Answer = append(out.Answer, where)
		}
		out.Explanations = append(out.Explanations, candidate{where, inTenThousandths(c.Score), inTenThousandths(c.Share)})
	}
	return out
}

func inTenThousandths(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// readLeaves reads the table in an input.
func readLeaves(ctx context.Context, in *inputs, f *input) (*leaves, error) {
	text, _, closeText, err := f.text(0, in.raw(ctx, f, 0, true))
	if err != nil {
		return nil, f.fail(err, 0)
	}
	defer closeText()
	t := &leaves{name: f.name}
	if err := t.read(ctx, text); err != nil {
		return nil, err
	}
	return t, nil
}
