package verify

// Actor is the party that acts for a token's subject (RFC 8693 §4.1). It is
// immutable and never widens the subject's rights.
type Actor struct {
	issuer, subject, clientID string
	prior                     *Actor
}

// Subject returns the actor's sub.
func (a *Actor) Subject() string { return a.subject }

// Issuer returns the actor's iss, or "" if the claim has none.
func (a *Actor) Issuer() string { return a.issuer }

// ClientID returns the actor's client_id, or "" if the claim has none.
func (a *Actor) ClientID() string { return a.clientID }

// Prior returns the previous actor in the chain, and false if there is none. It
// is for information only: prior actors must not be considered in a decision
// (RFC 8693 §4.1).
func (a *Actor) Prior() (*Actor, bool) { return a.prior, a.prior != nil }

func actorValue(raw string, depth int) (*Actor, *Error) {
	if depth == 0 {
		return nil, errClaimsActor
	}
	members, err := decodeObject(raw, make([]member, 0, 4))
	if err != nil {
		return nil, errClaimsActor
	}
	a := &Actor{}
	for i := range members {
		m := &members[i]
		if imitates(m.name, registeredNested) {
			return nil, errClaimsMember
		}
		ok := true
		switch m.name {
		case "sub":
			a.subject, ok = stringValue(m.value)
		case "iss":
			a.issuer, ok = stringValue(m.value)
		case "client_id":
			a.clientID, ok = stringValue(m.value)
		case "act":
			var refused *Error
			if a.prior, refused = actorValue(m.value, depth-1); refused != nil {
				return nil, refused
			}
		}
		if !ok {
			return nil, errClaimsActor
		}
	}
	if a.subject == "" && a.clientID == "" {
		return nil, errClaimsActor
	}
	return a, nil
}
