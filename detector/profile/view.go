package profile

import (
	"math/bits"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// View is what is known of a user at one moment, for people to read.
type View struct {
	FirstAt, LastAt, Created int64 // event times, to some seconds, Created to the day; 0 unknown
	Leaf                     *cohort.Leaf
	Today                    Counts // of the UTC day
	Short                    Counts // decayed, with a half-life of five hours: credits, rows and requests only
	Long                     Counts // over some seven days: today, and the past scaled to ten days (a half-life of seven) if it is longer
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

func (u *User) view(at int64) View {
	v := View{
		FirstAt: u.FirstAt, LastAt: u.LastAt, Created: int64(u.created) * day, Leaf: u.leaf, Today: u.today, Long: u.lastDays(),
		PastDays: float64(u.pastDays), Volume: float64(u.volume), Novel: float64(u.novel), Held: u.held(), AwakeHours: bits.OnesCount32(u.awake),
	}
	if int32(at/day) != u.dayNo {
		v.Today = Counts{}
	}
	if int32(u.bucket/day) == int32(at/day) {
		v.Today.add(&u.now, 1)
	}
	lately := u.short
	lately.fade(max(at-at%Bucket-u.bucket, 0))
	lately.add(&u.now) // a few minutes that the windows do not hold yet
	v.Short = lately.counts()
	v.Long.add(&u.today, 1)
	v.Long.add(&u.now, 1)
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
