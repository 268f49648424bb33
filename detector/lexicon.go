package detector

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/state"
)

// lexicon numbers the leaves that the owner of a partition has named in the log: each is written out where it comes first, and by its
// number from then on. Nearly every row is a leaf in small traffic, and its values are most of what would be written. The next owner
// begins anew.
type lexicon map[*cohort.Leaf]uint64

// spoken is a closing as its shard said it, and the leaves that came first in it.
type spoken struct {
	closing
	fresh []*cohort.Leaf
}

// encode returns a closing as it stands in the log.
func (x lexicon) encode(c *closing) (body []byte, fresh []*cohort.Leaf) {
	body = state.Append(nil, "closing", signalLayout, func(to *state.Coder) {
		codeCellsAs(to, &c.cells, func(p **cohort.Leaf) {
			n, known := x[*p]
			if !known {
				n = uint64(len(x))
				x[*p] = n
				fresh = append(fresh, *p)
			}
			if state.Uints(to, &n); !known {
				cohort.CodeLeaf(to, p)
			}
		})
		c.codeRest(to)
	})
	return body, fresh
}

// decode reads what encode returned. leaves are those that the same owner named before, and come back with those that it named here.
func (x *closing) decode(body []byte, leaves []*cohort.Leaf, canon func(*cohort.Leaf) *cohort.Leaf) ([]*cohort.Leaf, error) {
	err := state.Restore(body, "closing", signalLayout, func(from *state.Coder) {
		codeCellsAs(from, &x.cells, func(p **cohort.Leaf) {
			var n uint64
			state.Uints(from, &n)
			switch known := uint64(len(leaves)); {
			case n < known:
				*p = leaves[n]
			case n > known:
				from.Fail("leaf %d of %d", n, known)
			default:
				if cohort.CodeLeaf(from, p); *p != nil {
					*p = canon(*p)
					leaves = append(leaves, *p)
				}
			}
		})
		x.codeRest(from)
	})
	return leaves, err
}
