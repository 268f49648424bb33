package checkpoint

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// shelf is what is known of a partition.
type shelf struct {
	mu     sync.Mutex
	next   int64 // offset to be read next
	owners map[string]*stock
}

// stock is what there is of an owner.
type stock struct {
	manifests map[string]*manifest // nil where why says why it cannot be read
	why       map[string]error
	bad       map[string]bool // did not verify
	chunks    map[string]map[int]chunk
	seen      map[string]time.Time // when the first chunk of a part was seen here
}

// chunk is where a chunk is, and how long.
type chunk struct {
	offset int64
	bytes  int
}

func (s *shelf) of(owner string) *stock {
	if s.owners == nil {
		s.owners = map[string]*stock{}
	}
	o := s.owners[owner]
	if o == nil {
		o = &stock{manifests: map[string]*manifest{}, why: map[string]error{}, bad: map[string]bool{}, chunks: map[string]map[int]chunk{}, seen: map[string]time.Time{}}
		s.owners[owner] = o
	}
	return o
}

// take notes a record. What is not a store's is left alone.
func (s *shelf) take(offset int64, key, value string, there bool) {
	f := strings.Split(strings.Clone(key), "/")
	if len(f) < 3 || !ownerName.MatchString(f[0]) {
		return
	}
	switch o := s.of(f[0]); {
	case f[1] == manifestKind && len(f) == 3 && idName.MatchString(f[2]):
		id := f[2]
		delete(o.manifests, id)
		delete(o.why, id)
		delete(o.bad, id)
		if there {
			o.manifests[id], o.why[id] = decode([]byte(value), f[0], id)
		}
	case f[1] == partKind && len(f) == 4 && hashName.MatchString(f[2]):
		n, err := strconv.Atoi(f[3])
		if err != nil || n < 0 {
			return
		}
		hash := f[2]
		if !there {
			if delete(o.chunks[hash], n); len(o.chunks[hash]) == 0 {
				o.drop(hash)
			}
			return
		}
		if o.chunks[hash] == nil {
			o.chunks[hash], o.seen[hash] = map[int]chunk{}, time.Now()
		}
		o.chunks[hash][n] = chunk{offset, len(value)}
	}
}

func (o *stock) drop(hash string) {
	delete(o.chunks, hash)
	delete(o.seen, hash)
}

// chunksOf returns how many chunks so many bytes take.
func chunksOf(size int64) int { return int((size + chunkBytes - 1) / chunkBytes) }

// has says whether all of a part is there.
func (o *stock) has(hash string, size int64) bool {
	all := o.chunks[hash]
	for n := range chunksOf(size) {
		c, ok := all[n]
		if !ok || int64(c.bytes) != min(chunkBytes, size-int64(n)*chunkBytes) {
			return false
		}
	}
	return true
}
