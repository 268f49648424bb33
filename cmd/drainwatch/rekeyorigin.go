package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/drainwatch/drainwatch/detector"
)

// originOf tells where a record of the rekeyed topic came from. damage is set for a batch of the source that could not be taken apart.
func originOf(key string) (at deadKey, original, damage string, ok bool) {
	partition, rest, ok := strings.Cut(key, "/")
	i := strings.IndexAny(rest, "/!")
	if !ok || i < 0 {
		return at, "", "", false
	}
	p, perr := strconv.ParseInt(partition, 10, 32)
	offset, oerr := strconv.ParseInt(rest[:i], 10, 64)
	if at = (deadKey{int32(p), offset}); rest[i] == '!' {
		damage = rest[i+1:]
	} else {
		original = rest[i+1:]
	}
	return at, original, damage, perr == nil && oerr == nil
}

func appendOrigin(dst []byte, partition int32, offset int64) []byte {
	return strconv.AppendInt(append(strconv.AppendInt(dst, int64(partition), 10), '/'), offset, 10)
}

// fromSource is a sink for what was rekeyed: dead letters name the record of the source.
type fromSource struct{ *topicSink }

// DeadLetter implements detector.Output.
func (f fromSource) DeadLetter(ctx context.Context, d detector.DeadLetter) error {
	at, key, damage, ok := originOf(d.Key)
	switch {
	case !ok:
		return fmt.Errorf("partition %d offset %d of the rekeyed topic does not say where it came from: only drainwatch may write there", d.Partition, d.Offset)
	case damage != "":
		d.Reason, d.Detail = "batch", damage
	}
	return f.refuse(ctx, at, key, d.Value, d.Reason, d.Detail)
}
