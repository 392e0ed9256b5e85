package authz

import (
	"context"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz/internal/template"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Method is the compiled rule of one method. It is immutable and safe for
// concurrent use.
type Method struct {
	name   string
	owner  *Authorizer
	input  protoreflect.MessageDescriptor
	faults []*RuleError
	// whole is the rule after inheritance, nil if it couldn't be read, and at is where
	// it is.
	whole *merged
	at    *site
	// missing is set if there is no rule at all.
	missing bool

	policy      policy
	root        *node
	leaves      int
	token       tokenRule
	validation  authzv1.Validation
	first       bool
	recheck     time.Duration
	consistency consistencyRule
	hides       bool
	reads       bool
	connection  bool
	rule        string
	limit       *rateLimit // nil if there is none
	pins        []*template.Part
	// copies are the fields that expressions read.
	copies []protoreflect.FieldDescriptor
	// single is set if the rule is one check of one object, which the cache may
	// answer.
	single bool
	// granted is the decision of a grant with nothing to explain, shared by all calls.
	granted *Decision
	// remembered is the decision about a message that a stream's memory lets
	// through.
	remembered *Decision
}

// policy is what decides. The zero value denies.
type policy uint8

const (
	policyDeny policy = iota
	policyPublic
	policyAuthenticated
	policyHandler
	policyCondition
)

// Call is one call, or one message of a stream.
type Call struct {
	// Principal is the caller. Nil means that the call has no credential: only
	// public methods admit it, and others refuse it with TOKEN_MISSING.
	Principal Principal
	// Message is the request. Required if [Method.ReadsMessage] is true.
	Message proto.Message
	// Metadata returns the value of a metadata key, empty if there is none or
	// several. Optional. Nil means that there is no metadata.
	Metadata func(key string) string
	// PeerIP is the address of the peer. Optional. The zero value means that it
	// isn't known.
	PeerIP netip.Addr
	// Fresh makes the decision without the decision cache.
	Fresh bool
	// EngineContext returns the context for a request to the engine or to
	// [Config.Limiter]. Its argument
	// has the values of the call's context, and the timeout instead of the call's
	// deadline. An engine in this process could otherwise read everything that
	// belongs to the call: the function removes what the engine must not see, and
	// keeps the rest, above all a trace's span. It is called for each request to
	// the engine, must be safe for concurrent use, and must return a context
	// derived from its argument. If it panics, the call is MISCONFIGURED. It isn't
	// called for a request of several calls, whose context has no call's values; see
	// [Combiner]. Optional. Default: the argument.
	EngineContext func(ctx context.Context) context.Context
	// Explain makes the decision list its checks even if all answers came from the
	// cache.
	Explain bool

	// explained takes what the parts of the condition came to, for [Method.Explain].
	explained *[]Part
}

// Name returns the full method, as in "/pkg.Service/Method".
func (m *Method) Name() string { return m.name }

// Err returns everything that is wrong with the method's rule, as joined
// *RuleErrors, or nil. A method with an error is denied.
func (m *Method) Err() error { return joinRuleErrors(m.faults) }

// Public reports whether anyone may call, with or without a credential.
func (m *Method) Public() bool { return m.policy == policyPublic }

// ReadsMessage reports whether the rule can't be decided without the request.
func (m *Method) ReadsMessage() bool { return m.reads }

// RevisionReadsMessage reports whether the rule's revision is a field of the
// message, so that the handler's own checks need the message too: see
// [Session.Receive].
func (m *Method) RevisionReadsMessage() bool {
	return m.consistency.revision != nil && len(m.consistency.revision.Fields()) > 0
}

// ReadsConnection reports whether the rule reads Metadata or PeerIP of a [Call].
func (m *Method) ReadsConnection() bool { return m.connection }

// HandlerDecides reports whether the method's handler makes the checks itself.
func (m *Method) HandlerDecides() bool { return m.policy == policyHandler }

// HidesExistence reports whether a caller that the policy denies gets NOT_FOUND.
func (m *Method) HidesExistence() bool { return m.hides }

// RecheckInterval returns how long a stream may reuse a decision, and how often its
// owner must call [Stream.Recheck]. Zero means that neither applies.
func (m *Method) RecheckInterval() time.Duration { return m.recheck }

// Validation returns how the rule wants the token validated.
func (m *Method) Validation() authzv1.Validation { return m.validation }

// Rule returns the rule as one line of text.
func (m *Method) Rule() string { return m.rule }

// Authorize decides the call. The call may go on if, and only if, the error is nil.
// Otherwise the error is an [*Error], or wraps the context's own. The decision is
// never nil.
//
// If the rule has a rate limit, the call counts once its principal meets what the
// rule asks of the token, before any condition is decided.
func (m *Method) Authorize(ctx context.Context, call *Call) (*Decision, error) {
	return m.authorize(ctx, call, nil)
}

// authorize decides the call. If first says that a stream has counted already, the
// call doesn't count.
func (m *Method) authorize(ctx context.Context, call *Call, first *opening) (*Decision, error) {
	caller, decision, err := m.admit(ctx, call, first)
	if decision != nil {
		return decision, err
	}
	if m.single && m.recalls(call, caller) {
		return m.granted, nil
	}

	return m.evaluate(ctx, call, caller)
}

// admit decides what needs no condition, and counts the call. The decision is nil if
// the rule's condition must be decided; caller is then the configured subject of the
// token's kind, nil if there is none.
func (m *Method) admit(ctx context.Context, call *Call, first *opening) (*subjectTemplate, *Decision, error) {
	switch {
	case m.missing:
		return settled(m.refuse(ctx, refusal(ReasonRuleMissing, "method %s has no rule", m.name)))
	case len(m.faults) > 0:
		return settled(m.refuse(ctx, &Error{Reason: ReasonMisconfigured, Err: m.Err()}))
	}
	switch m.policy {
	case policyPublic:
		if err := m.take(ctx, call, nil, first); err != nil {
			return settled(m.limited(ctx, err))
		}

		return nil, m.grant(ctx), nil
	case policyAuthenticated, policyHandler, policyCondition, policyDeny:
	default:
		return settled(m.refuse(ctx, refusal(ReasonMisconfigured, "unknown policy")))
	}
	if call == nil || call.Principal == nil {
		return settled(m.refuse(ctx, refusal(ReasonTokenMissing, "the call has no principal")))
	}
	if m.policy == policyDeny {
		return settled(m.refuse(ctx, refusal(ReasonMethodDenied, "the rule denies everybody")))
	}
	if err := m.owner.stranger(call.Principal); err != nil {
		return settled(m.refuse(ctx, err))
	}
	if err := m.token.admits(call.Principal); err != nil {
		return settled(m.refuse(ctx, err))
	}
	caller := m.owner.subjects.of(call.Principal)
	if caller == nil && !m.token.kinds && !m.owner.subjects.none {
		return settled(m.refuse(ctx, m.owner.subjects.unmapped(call.Principal)))
	}
	if err := m.token.check(call.Principal, m.owner.now); err != nil {
		return settled(m.refuse(ctx, err))
	}
	if err := m.take(ctx, call, call.Principal, first); err != nil {
		return settled(m.limited(ctx, err))
	}
	if m.policy != policyCondition {
		return nil, m.grant(ctx), nil
	}

	return caller, nil, nil
}

// settled returns a decision that needs no condition.
func settled(decision *Decision, err error) (*subjectTemplate, *Decision, error) {
	return nil, decision, err
}

// grant lets the call through without any check.
func (m *Method) grant(ctx context.Context) *Decision {
	m.observe(ctx, m.granted)

	return m.granted
}

func (m *Method) refuse(ctx context.Context, err *Error) (*Decision, error) {
	decision := &Decision{reason: err.Reason, method: m.name, rule: m.rule, err: err}
	m.observe(ctx, decision)

	return decision, err
}

func (m *Method) observe(ctx context.Context, decision *Decision) {
	if decided := m.owner.observer.Decided; decided != nil {
		decided(ctx, decision)
	}
}
