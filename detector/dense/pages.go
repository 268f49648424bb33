package dense

import "encoding/binary"

// Sizes of records: by fine steps up to fineTop bytes, then by coarse ones, their owner's number included. Ref has room for 127 sizes, and one is the profile's own.
const (
	pageBytes = 16 << 10
	fine      = 4
	fineTop   = 384
	coarse    = 128
	classes   = fineTop/fine + (MaxRecord+owner-fineTop)/coarse
	owner     = 4
	posBits   = 25

	// MaxRecord is the size of the largest record.
	MaxRecord = 4096 - owner
)

// Ref says where a record stands in Pages. A record may move whenever another is freed.
type Ref uint32

// Pages holds records of up to MaxRecord bytes, each with the number of its owner. Records of a size stand side by side, and
// the last takes the place of one that goes, so what is lost is what sizes are rounded up by, and a page a size. The zero value
// needs Moved only.
type Pages struct {
	// Moved takes note that an owner's record moved.
	Moved   func(owner uint32, to Ref)
	classes [classes]class
	spare   []*[pageBytes]byte
}

type class struct {
	pages []*[pageBytes]byte
	n     int
}

func classOf(n int) (c, size int) {
	if n += owner; n <= fineTop {
		c = (n+fine-1)/fine - 1
		return c, (c + 1) * fine
	}
	c = (n - fineTop + coarse - 1) / coarse
	return c + fineTop/fine - 1, fineTop + c*coarse
}

func sizeOf(c int) int {
	if c < fineTop/fine {
		return (c + 1) * fine
	}
	return fineTop + (c-fineTop/fine+1)*coarse
}

func (p *Pages) slot(c, pos, size int) []byte {
	per := pageBytes / size
	at := pos % per * size
	return p.classes[c].pages[pos/per][at : at+size : at+size]
}

// At returns a record, with zeros behind it where its size was rounded up. It holds until the next Put or Free.
func (p *Pages) At(r Ref) []byte {
	c := int(r >> posBits)
	return p.slot(c, int(r&(1<<posBits-1)), sizeOf(c))[owner:]
}

// Put stores a record of an owner.
func (p *Pages) Put(number uint32, record []byte) Ref {
	c, size := classOf(len(record))
	x := &p.classes[c]
	if x.n == len(x.pages)*(pageBytes/size) {
		if k := len(p.spare); k > 0 {
			x.pages, p.spare = append(x.pages, p.spare[k-1]), p.spare[:k-1]
		} else {
			x.pages = append(x.pages, new([pageBytes]byte))
		}
	}
	s := p.slot(c, x.n, size)
	x.n++
	binary.LittleEndian.PutUint32(s, number)
	clear(s[owner+copy(s[owner:], record):])
	return Ref(c)<<posBits | Ref(x.n-1)
}

// Free gives up a record.
func (p *Pages) Free(r Ref) {
	c := int(r >> posBits)
	x, size := &p.classes[c], sizeOf(c)
	x.n--
	if last := p.slot(c, x.n, size); int(r&(1<<posBits-1)) != x.n {
		copy(p.slot(c, int(r&(1<<posBits-1)), size), last)
		p.Moved(binary.LittleEndian.Uint32(last), r)
	}
	if per := pageBytes / size; len(x.pages)*per >= x.n+per {
		last := len(x.pages) - 1
		p.spare = append(p.spare, x.pages[last])
		x.pages = x.pages[:last]
	}
}
