package profile

import (
	"math/bits"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// View is what is known of a user at one moment, for people to read.
type View struct {
	FirstAt, LastAt, Created int64 // event times; 0 unknown
	Leaf                     *cohort.Leaf
	Today                    Counts // of the UTC day
	Short, Long              Counts // decayed, with half-lives of five hours and seven days
	Usual                    Counts // of an active ten minutes: the past that the user is held against
	UsualDay                 Counts // the same over a mean day
	PastDays, PastBuckets    float64
	Volume, Novel            float64 // evidence in nats, against VolumeThreshold: of all that is drawn, and by new identities
	Held                     bool    // evidence stands, and nothing is learned meanwhile
	AwakeHours               int     // of the last 24 with rows
	Seen                     []IdentitiesSeen
}

// IdentitiesSeen counts identities of one kind.
type IdentitiesSeen struct {
	Kind          string
	Active, Fresh int // within a day, and of those first seen within it
}

var kindNames = [numKinds]string{"device", "network", "api_key", "country"}

// View returns what is known of the user at an event time. It changes nothing.
func (u *User) View(at int64) View {
	v := View{
		FirstAt: u.FirstAt, LastAt: u.LastAt, Created: u.Created, Leaf: u.leaf, Today: u.today, Short: u.Short, Long: u.Long,
		PastDays: float64(u.pastDays), Volume: float64(u.volume), Novel: float64(u.novel), Held: u.held(), AwakeHours: bits.OnesCount32(u.awake),
	}
	if int32(at/day) != u.dayNo {
		v.Today = Counts{}
	}
	if int32(u.bucket/day) == int32(at/day) {
		v.Today.add(&u.now, 1)
	}
	for _, w := range []*Counts{&v.Short, &v.Long} {
		w.add(&u.now, 1) // a few minutes that the windows do not hold yet
	}
	base := u.base()
	v.PastBuckets = float64(base.Buckets)
	if base.Buckets > 0 {
		v.Usual.add(&base, 1/base.Buckets)
	}
	if u.pastDays > 0 {
		v.UsualDay.add(&u.past, 1/u.pastDays)
	}
	sec := uint32(at / 1e9)
	for k := range u.ids {
		fresh, active, _ := u.ids[k].fresh(sec)
		v.Seen = append(v.Seen, IdentitiesSeen{kindNames[k], active, fresh})
	}
	return v
}
