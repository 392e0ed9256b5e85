package cel

import (
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/usher-auth/usher/authz"
)

// activationName is the name by which the nodes of this package find the activation.
const activationName = "@"

const (
	errNoRequest   problem = "there is no request"
	errNoCaller    problem = "there is no caller"
	errNoPeer      problem = "the peer's address isn't known"
	errNoTime      problem = "the time isn't known"
	errUnclearKind problem = "the caller's kind is unclear"
	errNoScopeList problem = "the caller's scopes can't be listed; only in finds one"
	errNoSubject   problem = "the caller has no subject"
	errNoClientID  problem = "the caller has no client id"
	errNoIssuer    problem = "the caller has no issuer"
	errNoACR       problem = "the caller has no acr"
	errNoObject    problem = "a part of the claim isn't an object"
)

// scopeLister is an optional interface of an [authz.Principal].
type scopeLister interface{ Scopes() []string }

// activation is what one evaluation reads. It is used by one goroutine at a time.
type activation struct {
	expression *expression
	in         *authz.ExpressionInput
	cells      []cell
	// left is how many bytes of the request may still be read.
	left int
	// unknown is set if what was last weighed has fields that its type doesn't have.
	unknown bool
	// named are the claims that were found by a computed name; nil for those that the
	// token doesn't have.
	named map[string]ref.Val
}

// cell is what was read of a slot.
type cell struct {
	value ref.Val
	// weighed is set once a text of the request is counted.
	weighed bool
	// raw and state are for claims.
	raw   any
	state claimState
}

type claimState uint8

const (
	claimUnread claimState = iota
	claimFound
	claimMissing
)

var _ interpreter.Activation = (*activation)(nil)

// Parent implements [interpreter.Activation].
func (a *activation) Parent() interpreter.Activation { return nil }

// ResolveName implements [interpreter.Activation].
func (a *activation) ResolveName(name string) (any, bool) {
	if name == activationName {
		return a, true
	}
	at, ok := slotIndex(name)
	if !ok || at >= len(a.cells) {
		return nil, false
	}

	return a.value(at), true
}

// value returns the value of a slot.
func (a *activation) value(at int) ref.Val {
	if known := a.cells[at].value; known != nil {
		return known
	}
	value := a.read(at)
	a.cells[at].value = value

	return value
}

func (a *activation) read(at int) ref.Val {
	s := &a.expression.slots[at]
	switch s.kind {
	case slotMessage, slotField, slotHasField:
		return a.readRequest(at, s)
	case slotIP:
		if !a.in.PeerIP.IsValid() {
			return fail(errNoPeer)
		}

		return ipValue{a.in.PeerIP.Unmap().WithZone("")}
	case slotNow:
		if a.in.Now == nil {
			return fail(errNoTime)
		}

		return types.Timestamp{Time: a.in.Now().UTC()}
	default:
		if a.in.Principal == nil {
			return fail(errNoCaller)
		}

		return a.readCaller(at, s)
	}
}

func (a *activation) readCaller(at int, s *slot) ref.Val {
	switch s.kind {
	case slotClaim:
		raw, found := a.claim(at)
		if !found {
			return fail(problem("the claim " + strings.Join(s.path, ".") + " is missing"))
		}

		return a.expression.env.adapter.NativeToValue(raw)
	case slotHasClaim:
		return a.hasClaim(s.path)
	case slotClaims:
		return claimsValue{a}
	case slotKindOf:
		service, user := a.in.Principal.IsService(), a.in.Principal.IsUser()
		switch {
		case service && !user:
			return types.String("service")
		case user && !service:
			return types.String("user")
		default:
			return fail(errUnclearKind)
		}
	case slotScopes:
		lister, ok := a.in.Principal.(scopeLister)
		if !ok {
			return fail(errNoScopeList)
		}

		return a.expression.env.adapter.NativeToValue(lister.Scopes())
	default:
		text := a.text(s.kind)
		if text == "" {
			return fail(absences[s.kind])
		}

		return types.String(text)
	}
}

// absences are the errors for texts that the caller doesn't have. An empty text would
// equal each field that a request leaves unset.
var absences = map[slotKind]problem{
	slotSubject: errNoSubject, slotClientID: errNoClientID, slotIssuer: errNoIssuer, slotACR: errNoACR,
}

// text returns a text of the caller, empty if the caller has none.
func (a *activation) text(kind slotKind) string {
	switch kind {
	case slotSubject:
		return a.in.Principal.Subject()
	case slotClientID:
		return a.in.Principal.ClientID()
	case slotIssuer:
		return a.in.Principal.IssuerName()
	case slotACR:
		return a.in.Principal.ACR()
	default:
		return ""
	}
}

// claim returns the claim of a slot.
func (a *activation) claim(at int) (any, bool) {
	c := &a.cells[at]
	if c.state == claimUnread {
		c.state = claimMissing
		if raw, found := a.in.Principal.Claim(a.expression.slots[at].path...); found {
			c.raw, c.state = raw, claimFound
		}
	}

	return c.raw, c.state == claimFound
}

// hasClaim reports whether there is a claim. What it is a member of must be an object.
func (a *activation) hasClaim(path []string) ref.Val {
	if _, found := a.in.Principal.Claim(path...); found {
		return types.True
	}
	if len(path) == 1 {
		return types.False
	}
	parent, found := a.in.Principal.Claim(path[:len(path)-1]...)
	if !found {
		return fail(problem("the claim " + strings.Join(path[:len(path)-1], ".") + " is missing"))
	}
	if _, isObject := parent.(map[string]any); !isObject {
		return fail(errNoObject)
	}

	return types.False
}

// activationOf returns the activation of a frame.
func activationOf(frame *interpreter.ExecutionFrame) *activation {
	found, _ := frame.ResolveName(activationName)
	a, _ := found.(*activation)

	return a
}
