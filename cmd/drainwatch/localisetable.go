package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/drainwatch/drainwatch/stats/localise"
)

const (
	maxTableRows  = 1_000_000
	maxTableValue = 1e15 // so that sums stay finite and exact enough
)

// leaves is a table of what was predicted and what really came.
type leaves struct {
	name     string
	dims     []string
	columns  []int // of the dimensions
	predict  int   // column
	real     int
	values   [][]string // by dimension, in the order of their code
	cube     localise.Cube
	negative int // numbers below 0

	codes []map[string]uint32
	known map[string]int // leaf by its codes
	key   []byte
}

// fail names the input and, from 1 on, the line.
func (t *leaves) fail(line int, format string, args ...any) error {
	where := "read input " + t.name
	if line > 0 {
		where += fmt.Sprintf(": line %d", line)
	}
	return fmt.Errorf("%s: %w", where, fmt.Errorf(format, args...))
}

func (t *leaves) read(ctx context.Context, text io.Reader) error {
	r := csv.NewReader(text)
	r.ReuseRecord, r.FieldsPerRecord = true, -1
	head, err := r.Read()
	switch {
	case errors.Is(err, io.EOF):
		return t.fail(0, "is empty; it takes a header, with the columns predict and real beside dimensions, and rows")
	case err != nil:
		return t.failed(err, 0)
	}
	if err := t.header(head); err != nil {
		return err
	}
	width := len(head)
	for rows := 0; ; rows++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t.failed(err, rows)
		}
		line, _ := r.FieldPos(0)
		switch {
		case rows%4096 == 0 && ctx.Err() != nil:
			return interrupted(t.name)
		case rows == maxTableRows:
			return t.fail(line, "more than %d rows; add up rows that differ in a dimension of no interest, and leave that out", maxTableRows)
		case len(row) != width:
			return t.fail(line, "%d fields where the header has %d; quote values that hold commas", len(row), width)
		}
		if err := t.add(row, line); err != nil {
			return err
		}
	}
	if len(t.cube.Leaves) == 0 {
		return t.fail(0, "no rows below the header; give a row for each combination of values")
	}
	for _, v := range t.values {
		t.cube.Cards = append(t.cube.Cards, len(v))
	}
	return nil
}

// failed explains what the CSV reader, or what it reads from, says.
func (t *leaves) failed(err error, rows int) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return t.fail(parse.Line, "%w; quote values that hold quotes, and double those", parse.Err)
	}
	return (&input{name: t.name}).fail(err, int64(rows))
}

func (t *leaves) header(head []string) error {
	t.predict, t.real = -1, -1
	for i, name := range head {
		if i == 0 {
			name = strings.TrimPrefix(name, "\ufeff") // of spreadsheets
		}
		name = strings.Clone(strings.TrimSpace(name))
		switch {
		case name == "predict" && t.predict < 0:
			t.predict = i
		case name == "real" && t.real < 0:
			t.real = i
		case name == "":
			return t.fail(1, "column %d has no name; name it, or leave it out", i+1)
		case name == "predict" || name == "real" || slices.Contains(t.dims, name):
			return t.fail(1, "column %q twice; leave one out", name)
		default:
			t.dims, t.columns = append(t.dims, name), append(t.columns, i)
		}
	}
	switch {
	case t.predict < 0 || t.real < 0:
		return t.fail(1, "the header needs the columns predict and real, and has %s", strings.Join(head, ","))
	case len(t.dims) == 0:
		return t.fail(1, "no column besides predict and real; give a column for each dimension")
	case len(t.dims) > localise.MaxDims:
		return t.fail(1, "%d dimensions; at most %d can be searched, so leave some out", len(t.dims), localise.MaxDims)
	}
	t.values, t.codes, t.known = make([][]string, len(t.dims)), make([]map[string]uint32, len(t.dims)), map[string]int{}
	for d := range t.codes {
		t.codes[d] = map[string]uint32{}
	}
	return nil
}

func (t *leaves) add(row []string, line int) error {
	predict, err := t.number("predict", row[t.predict], line)
	if err != nil {
		return err
	}
	real, err := t.number("real", row[t.real], line)
	if err != nil {
		return err
	}
	t.key = t.key[:0]
	for d, column := range t.columns {
		v := row[column]
		code, ok := t.codes[d][v]
		if !ok && v != "" {
			v = strings.Clone(v)
			t.values[d] = append(t.values[d], v)
			code = uint32(len(t.values[d]))
			t.codes[d][v] = code
		}
		t.key = append(t.key, byte(code), byte(code>>8), byte(code>>16))
	}
	i, ok := t.known[string(t.key)]
	if !ok {
		i = len(t.cube.Leaves)
		t.known[string(t.key)] = i
		leaf := make([]uint32, len(t.dims))
		for d := range leaf {
			leaf[d] = uint32(t.key[3*d]) | uint32(t.key[3*d+1])<<8 | uint32(t.key[3*d+2])<<16
		}
		t.cube.Leaves = append(t.cube.Leaves, leaf)
		t.cube.Predict, t.cube.Real = append(t.cube.Predict, 0), append(t.cube.Real, 0)
	}
	t.cube.Predict[i] += predict
	t.cube.Real[i] += real
	return nil
}

func (t *leaves) number(column, text string, line int) (float64, error) {
	x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	switch {
	case text == "":
		return 0, t.fail(line, "%s is empty; write 0 where there was nothing", column)
	case err != nil || math.IsNaN(x) || math.Abs(x) > maxTableValue:
		return 0, t.fail(line, "%s %q; give a number, of at most 1e15", column, text)
	case x < 0:
		t.negative++
		return 0, nil
	}
	return x, nil
}
