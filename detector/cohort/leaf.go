package cohort

import (
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Other stands for the values of a dimension beyond its cap.
const Other = "__other__"

// Caps of what attackers and typos can make a shard remember.
const (
	MaxValues = 4096  // distinct values a dimension
	MaxLeaves = 65536 // combinations a shard, the last quarter of them without their narrowest dimensions
)

// Leaf is one combination of values. It is immutable.
type Leaf struct {
	Values [event.NumDims]string
	// Rollout tells leaves apart, by a hash below 64, that differ in what is rolled out: client version, meter, experiment.
	Rollout uint8
}

// Leaves interns the combinations that one shard has seen.
type Leaves struct {
	byHash map[uint64]*Leaf
	values [event.NumDims]map[string]string
	folded int64
}

// NewLeaves returns an empty table.
func NewLeaves() *Leaves {
	l := &Leaves{byHash: map[uint64]*Leaf{}}
	for d := range l.values {
		l.values[d] = map[string]string{}
	}
	return l
}

// Folded returns how many rows had a value folded into Other.
func (l *Leaves) Folded() int64 { return l.folded }

// Len returns the number of leaves.
func (l *Leaves) Len() int { return len(l.byHash) }

// Of returns the leaf of those values. Cost: one hash and one look-up; it allocates only for a new combination.
func (l *Leaves) Of(values *[event.NumDims]string) *Leaf {
	h := hash(values)
	if leaf := l.byHash[h]; leaf != nil && leaf.Values == *values {
		return leaf
	}
	return l.slow(values)
}

func (l *Leaves) slow(values *[event.NumDims]string) *Leaf {
	var kept [event.NumDims]string
	folded := false
	for d, v := range values {
		k, ok := l.values[d][v]
		if !ok {
			if len(l.values[d]) >= MaxValues {
				k, folded = Other, true
			} else {
				k = strings.Clone(v)
				l.values[d][k] = k
			}
		}
		kept[d] = k
	}
	leaf := l.find(&kept)
	if leaf == nil && len(l.byHash) >= MaxLeaves*3/4 {
		// Too many combinations: give up the dimensions with the most values first, then all.
		for _, d := range []event.Dim{event.Org, event.Experiment, event.ClientVersion, event.PriceID} {
			kept[d] = Other
		}
		folded = true
		if leaf = l.find(&kept); leaf == nil && len(l.byHash) >= MaxLeaves-1 {
			for d := range kept {
				kept[d] = Other
			}
			leaf = l.find(&kept)
		}
	}
	if folded {
		l.folded++
	}
	if leaf == nil {
		leaf = &Leaf{Values: kept, Rollout: rollout(&kept)}
		l.byHash[l.place(&kept)] = leaf
	}
	return leaf
}

// find returns the leaf of exactly those values, nil if there is none.
func (l *Leaves) find(values *[event.NumDims]string) *Leaf { return l.byHash[l.place(values)] }

// place returns where the leaf of those values is, or would be. A collision of hashes takes the next place: never two
// combinations in one leaf.
func (l *Leaves) place(values *[event.NumDims]string) uint64 {
	h := hash(values)
	for leaf := l.byHash[h]; leaf != nil && leaf.Values != *values; leaf = l.byHash[h] {
		h++
	}
	return h
}

func rollout(values *[event.NumDims]string) uint8 {
	return uint8(hash(&[event.NumDims]string{values[event.ClientVersion], values[event.Meter], values[event.Experiment]}) % 64)
}

func hash(values *[event.NumDims]string) uint64 {
	var buf [256]byte
	b := buf[:0]
	for _, v := range values {
		b = append(b, v...)
		b = append(b, 0)
	}
	return xxhash.Sum64(b)
}
