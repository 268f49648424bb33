package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

// maxInflated bounds what one batch may be decompressed to. Brokers take batches of 1 MB unless told otherwise, and
// rows compress 5 to 20 times, so what is beyond is an attack or a mistake.
const maxInflated = 128 << 20

// zstdDecoder decodes whole frames without goroutines, which its streaming form, and with it kafka-go's, uses.
var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxInflated))
})

var errBomb = fmt.Errorf("it decompresses to more than %d MiB", maxInflated>>20)

// inflate decompresses the records of a batch into dst, which is reused, and returns them with dst.
func inflate(b *batch, dst []byte) (string, []byte, error) {
	code := compress.Compression(b.attributes & compressionMask)
	switch {
	case code == compress.None:
		return string(b.records), dst, nil
	case code == compress.Zstd:
		dec, err := zstdDecoder()
		if err != nil {
			return "", dst, err
		}
		out, err := dec.DecodeAll(b.records, dst[:0])
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			err = errBomb
		}
		if err != nil {
			return "", dst, fmt.Errorf("zstd: %w", err)
		}
		return string(out), out, nil
	case code.Codec() == nil:
		return "", dst, fmt.Errorf("compression %d is unknown", code)
	}
	r := code.Codec().NewReader(bytes.NewReader(b.records))
	defer func() { _ = r.Close() }()
	out, err := readAll(r, dst[:0])
	if err != nil {
		return "", dst, fmt.Errorf("%s: %w", code, err)
	}
	return string(out), out, nil
}

// readAll is io.ReadAll into a given buffer, up to maxInflated.
func readAll(r io.Reader, dst []byte) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst) > maxInflated {
			return nil, errBomb
		}
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
