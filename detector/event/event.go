package event

// Kind says what a charge row is.
type Kind uint8

// The kinds of row; the zero value is the default of the wire format.
const (
	Usage Kind = iota
	Penalty
	Adjustment
	Refund
	Reset
	numKinds
)

var kindNames = [numKinds]string{"usage", "penalty", "adjustment", "refund", "reset"}

// String returns the kind's name on the wire.
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return "kind(?)"
}

// Status says what the user got for the request.
type Status uint8

// The states of a request; the zero value is the default of the wire format.
const (
	OK Status = iota
	RateLimited
	Failed
	numStatuses
)

var statusNames = [numStatuses]string{"ok", "rate_limited", "error"}

// String returns the status's name on the wire.
func (s Status) String() string {
	if s < numStatuses {
		return statusNames[s]
	}
	return "status(?)"
}

// Dim is a cohort dimension.
type Dim uint8

// The dimensions in the order that breaks ties between equally good scopes.
const (
	Plan Dim = iota
	Model
	Client
	ClientVersion
	Region
	Surface
	Meter
	Origin
	PriceID
	Pool
	Experiment
	Org
	NumDims
)

var dimNames = [NumDims]string{"plan", "model", "client", "client_version", "region", "surface", "meter", "origin", "price_id", "pool", "experiment", "org"}

// String returns the name that the dimension bears in events and scopes.
func (d Dim) String() string {
	if d < NumDims {
		return dimNames[d]
	}
	return "dimension(?)"
}

// ParseDim returns the dimension of that name.
func ParseDim(name string) (Dim, bool) {
	for d, n := range dimNames {
		if n == name {
			return Dim(d), true
		}
	}
	return NumDims, false
}

// Event is one charge row. Its strings are owned by the decoder's line: whoever keeps one past the next
// record clones it (strings.Clone), or a line of a megabyte stays alive for a name of ten bytes.
// Times are Unix nanoseconds; zero means absent.
type Event struct {
	ID, User, RequestID string
	Time                int64
	Kind                Kind
	Status              Status
	Credits             Credits

	// Tokens. HasTokens is false for a row that carried no token field at all: a charge without tokens.
	Input, Cached, CacheWrite, Output, Reasoning int64
	HasTokens                                    bool

	Dims [NumDims]string

	TurnID, Reason, Enforcement       string
	Session, Device, IP, ASN, Country string
	APIKey                            string
	AccountCreated                    int64
	QuotaUsed                         float64 // 0 to 1; meaningful when HasQuota
	HasQuota                          bool
	QuotaResets                       int64
}
