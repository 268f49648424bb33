package event

// field is a known field of the native form.
type field uint8

const (
	fUnknown field = iota
	fID
	fTime
	fUser
	fRequestID
	fKind
	fStatus
	fCredits
	fInput
	fCached
	fCacheWrite
	fOutput
	fReasoning
	fTurnID
	fReason
	fEnforcement
	fSession
	fDevice
	fIP
	fASN
	fCountry
	fAPIKey
	fAccountCreated
	fQuotaUsed
	fQuotaResets
	fDims // the first of NumDims fields, in the order of Dim
)

const numFields = int(fDims) + int(NumDims)

var fieldNames = [fDims]string{
	fID: "id", fTime: "time", fUser: "user", fRequestID: "request_id", fKind: "kind", fStatus: "status", fCredits: "credits",
	fInput: "input_tokens", fCached: "cached_tokens", fCacheWrite: "cache_write_tokens",
	fOutput: "output_tokens", fReasoning: "reasoning_tokens",
	fTurnID: "turn_id", fReason: "reason", fEnforcement: "enforcement",
	fSession: "session", fDevice: "device", fIP: "ip", fASN: "asn", fCountry: "country", fAPIKey: "api_key",
	fAccountCreated: "account_created_at", fQuotaUsed: "quota_used", fQuotaResets: "quota_resets_at",
}

// String returns the field's name on the wire.
func (f field) String() string {
	if f >= fDims {
		return Dim(f - fDims).String()
	}
	return fieldNames[f]
}

// fieldOf finds a key. Names match exactly, case included. A switch on constants is compiled into a search
// by length and content, which is cheaper than a map and cannot be flooded.
func fieldOf(key string) field {
	switch key {
	case "id":
		return fID
	case "time":
		return fTime
	case "user":
		return fUser
	case "request_id":
		return fRequestID
	case "kind":
		return fKind
	case "status":
		return fStatus
	case "credits":
		return fCredits
	case "input_tokens":
		return fInput
	case "cached_tokens":
		return fCached
	case "cache_write_tokens":
		return fCacheWrite
	case "output_tokens":
		return fOutput
	case "reasoning_tokens":
		return fReasoning
	case "turn_id":
		return fTurnID
	case "reason":
		return fReason
	case "enforcement":
		return fEnforcement
	case "session":
		return fSession
	case "device":
		return fDevice
	case "ip":
		return fIP
	case "asn":
		return fASN
	case "country":
		return fCountry
	case "api_key":
		return fAPIKey
	case "account_created_at":
		return fAccountCreated
	case "quota_used":
		return fQuotaUsed
	case "quota_resets_at":
		return fQuotaResets
	case "plan":
		return fDims + field(Plan)
	case "model":
		return fDims + field(Model)
	case "client":
		return fDims + field(Client)
	case "client_version":
		return fDims + field(ClientVersion)
	case "region":
		return fDims + field(Region)
	case "surface":
		return fDims + field(Surface)
	case "meter":
		return fDims + field(Meter)
	case "origin":
		return fDims + field(Origin)
	case "price_id":
		return fDims + field(PriceID)
	case "pool":
		return fDims + field(Pool)
	case "experiment":
		return fDims + field(Experiment)
	case "org":
		return fDims + field(Org)
	}
	return fUnknown
}

// text returns where the string field f goes and how many bytes it may have, or nil if f is no plain string.
func (e *Event) text(f field) (dst *string, most int) {
	switch f {
	case fID:
		return &e.ID, MaxID
	case fUser:
		return &e.User, MaxUser
	case fRequestID:
		return &e.RequestID, MaxText
	case fTurnID:
		return &e.TurnID, MaxText
	case fReason:
		return &e.Reason, MaxDim
	case fEnforcement:
		return &e.Enforcement, MaxText
	case fSession:
		return &e.Session, MaxText
	case fDevice:
		return &e.Device, MaxText
	case fIP:
		return &e.IP, MaxText
	case fASN:
		return &e.ASN, MaxText
	case fCountry:
		return &e.Country, MaxText
	case fAPIKey:
		return &e.APIKey, MaxText
	}
	if f >= fDims {
		return &e.Dims[f-fDims], MaxDim
	}
	return nil, 0
}

// tokens returns where the token field f goes, or nil if f is none.
func (e *Event) tokens(f field) *int64 {
	switch f {
	case fInput:
		return &e.Input
	case fCached:
		return &e.Cached
	case fCacheWrite:
		return &e.CacheWrite
	case fOutput:
		return &e.Output
	case fReasoning:
		return &e.Reasoning
	}
	return nil
}
