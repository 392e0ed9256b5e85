package lint

import (
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// The values of [MatrixMethod.Access].
const (
	AccessPublic        = "public"        // anyone may call, without a token
	AccessAuthenticated = "authenticated" // any caller with a valid token may call
	AccessCondition     = "condition"     // the rule's condition decides
	AccessHandler       = "handler"       // the method's handler decides
	AccessDenied        = "denied"        // no caller may call
)

// MatrixMethod is who may call one method.
type MatrixMethod struct {
	// Server is the name of its [NamedPolicy].
	Server string `json:"server,omitempty"`
	// Service and Name are the two halves of Method, which is as in "pkg.Service/Method".
	Service string `json:"service"`
	Name    string `json:"name"`
	Method  string `json:"method"`
	// File and Line are the place of the rule, as in [authz.MethodPolicy].
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Access is one of the constants AccessPublic to AccessDenied. A method without a
	// rule, or with a fault in it, is denied.
	Access string `json:"access"`
	// Policy is the rule's policy as the .proto names it, such as "check" or "any_of".
	// Empty if there is no rule.
	Policy string `json:"policy,omitempty"`
	// Words say in a line who may call.
	Words string `json:"words"`
	// Reason is the rule's reason for the policies public, handler and deny.
	Reason string `json:"reason,omitempty"`
	// Condition is the rule's condition, also that of a rule with faults. Nil if the
	// policy has none.
	Condition *MatrixCondition `json:"condition,omitempty"`
	// Who are the types and usersets that can hold the relations which the rule asks the
	// caller for, all of them or, in any_of, some, sorted. Empty if there is no schema.
	// Checks with a subject of their own have no part in it.
	Who []string `json:"who,omitempty"`
	// WhoUnknown is set if the schema doesn't tell all of Who.
	WhoUnknown bool `json:"who_unknown,omitempty"`
	// Reads are the fields of the request that the rule reads, in order. "*" means that
	// it may read any.
	Reads []string `json:"reads,omitempty"`
	// Admits are the kinds of callers that may have a subject here: "service", "user" or
	// both. Empty for the accesses public and denied.
	Admits []string `json:"admits,omitempty"`
	// Token is what the rule asks of the access token. Nil if it asks nothing.
	Token *MatrixToken `json:"access_token,omitempty"`
	// Freshness is how fresh the engine's answers must be. Nil if no engine is asked.
	Freshness *MatrixFreshness `json:"freshness,omitempty"`
	// Stream is how messages of a stream are checked. Nil for a unary method.
	Stream *MatrixStream `json:"stream,omitempty"`
	// RateLimit is how often callers may call. Nil if there is no limit.
	RateLimit *MatrixRateLimit `json:"rate_limit,omitempty"`
	// OnDeny is the code that the policy refuses a caller with: "PERMISSION_DENIED"
	// or "NOT_FOUND".
	OnDeny string `json:"on_deny"`
	// Refusals are what refused callers see, in the order in which calls are decided.
	Refusals []MatrixRefusal `json:"refusals"`
	// Inherited are the parts of the rule that are the service's default, sorted, as in
	// "policy" or "access_token.scopes".
	Inherited []string `json:"inherited,omitempty"`
	// Faults are what is wrong with the rule.
	Faults []MatrixFault `json:"faults,omitempty"`
	// Change is how the rule changed. Nil if it didn't, or if nothing was compared.
	Change *MatrixChange `json:"change,omitempty"`
}

// MatrixToken is what a rule asks of the access token.
type MatrixToken struct {
	// Kinds are "service" and "user". Empty: every kind that has a subject.
	Kinds []string `json:"kinds,omitempty"`
	// Issuers are short names, of which one must be the token's. Empty: every issuer
	// that the server trusts.
	Issuers []string `json:"issuers,omitempty"`
	// Scopes must all be there, and of AnyScope one.
	Scopes   []string `json:"scopes,omitempty"`
	AnyScope []string `json:"any_scope,omitempty"`
	// ACRValues are authentication context classes, of which the token must have one.
	ACRValues []string `json:"acr_values,omitempty"`
	// MaxAge is the longest time since the user authenticated, as in "5m".
	MaxAge string `json:"max_age,omitempty"`
	// Validation is "local" or "introspect". Empty: the verifier chooses.
	Validation string `json:"validation,omitempty"`
}

// MatrixFreshness is how fresh the engine's answers must be.
type MatrixFreshness struct {
	// Mode is "minimize_latency", "at_least_as_fresh" or "fully_consistent".
	Mode string `json:"mode"`
	// Revision is the template of the revision, and IfAbsent the mode of calls that name
	// none. Both are empty for other modes than "at_least_as_fresh".
	Revision string `json:"revision,omitempty"`
	IfAbsent string `json:"if_absent,omitempty"`
}

// MatrixStream is how the messages of a stream are checked.
type MatrixStream struct {
	// Client and Server are set if the caller or the server sends a stream.
	Client bool `json:"client"`
	Server bool `json:"server"`
	// MessageCheck is "each_message" or "first_message". Empty if the caller sends one
	// message only, or if the rule reads no token and no message.
	MessageCheck string `json:"message_check,omitempty"`
	// Recheck is how long a decision may be reused, as in "5s". Empty: not at all.
	Recheck string `json:"recheck_interval,omitempty"`
}

// MatrixRateLimit is how often callers may call.
type MatrixRateLimit struct {
	// Requests are allowed in each Per, of which Burst may come at once.
	Requests uint32 `json:"requests"`
	Per      string `json:"per"`
	Burst    uint32 `json:"burst"`
	// Key is whose calls count together: "client", "subject" or "method".
	Key string `json:"key"`
	// Scope is "process" if each process counts for itself. Empty: the server's limiter.
	Scope string `json:"scope,omitempty"`
}

func (m *MatrixMethod) faulty() bool { return len(m.Faults) > 0 || m.Policy == "" }

// inherits reports whether a part of the rule is the service's default.
func (m *MatrixMethod) inherits(part string) bool { return slices.Contains(m.Inherited, part) }

func matrixMethod(named NamedPolicy, p *authz.MethodPolicy, holders *holding) MatrixMethod {
	m := MatrixMethod{
		Server: named.Name, Method: p.Method, File: p.File, Line: p.Line, Access: AccessDenied,
		Inherited: p.Inherited, Faults: matrixFaults(p.Faults), OnDeny: "PERMISSION_DENIED",
	}
	m.Service, m.Name, _ = strings.Cut(p.Method, "/")
	if p.Rule != nil {
		m.take(named.Policy, p, holders)
	}
	if m.faulty() {
		m.Access = AccessDenied
	}
	if p.ClientStreaming || p.ServerStreaming {
		m.Stream = &MatrixStream{Client: p.ClientStreaming, Server: p.ServerStreaming}
		if p.ClientStreaming && m.Access == AccessCondition {
			m.Stream.MessageCheck = "each_message"
			if p.Rule.GetStream().GetMessageCheck() == authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE {
				m.Stream.MessageCheck = "first_message"
			}
		}
		m.Stream.Recheck = duration(p.Rule.GetStream().GetRecheckInterval())
	}
	m.Words = m.words().String()
	m.Refusals = m.refusals()

	return m
}

// take takes what a rule says.
func (m *MatrixMethod) take(policy *authz.Policy, p *authz.MethodPolicy, holders *holding) {
	rule := p.Rule
	switch part := rule.GetPolicy().(type) {
	case *authzv1.Rule_Public:
		m.Access, m.Policy, m.Reason = AccessPublic, "public", part.Public.GetReason()
	case *authzv1.Rule_Authenticated:
		m.Access, m.Policy = AccessAuthenticated, "authenticated"
	case *authzv1.Rule_Handler:
		m.Access, m.Policy, m.Reason = AccessHandler, "handler", part.Handler.GetReason()
	case *authzv1.Rule_Deny:
		m.Policy, m.Reason = "deny", part.Deny.GetReason()
	case nil:
	default:
		if m.Condition = ruleCondition(rule, holders); m.Condition != nil {
			m.Access, m.Policy = AccessCondition, m.Condition.Kind
			m.Who, m.WhoUnknown = m.Condition.who()
			m.Reads = m.Condition.reads()
		}
	}
	if rule.GetOnDeny() == authzv1.OnDeny_ON_DENY_NOT_FOUND {
		m.OnDeny = "NOT_FOUND"
	}
	if m.Access != AccessPublic && m.Policy != "deny" {
		m.Token = matrixToken(rule.GetAccessToken())
		m.Admits = admits(policy, rule.GetAccessToken())
	}
	if m.Access == AccessHandler || m.Condition.asks(policy.ClaimPermissions) {
		m.Freshness = matrixFreshness(rule.GetConsistency())
		m.Reads = unique(append(m.Reads, fieldsOf(m.Freshness.Revision)...))
	}
	if limit := rule.GetRateLimit(); limit != nil {
		m.RateLimit = &MatrixRateLimit{
			Requests: limit.GetRequests(), Per: duration(limit.GetPer()), Burst: limit.GetBurst(),
			Key: enumWord(limit.GetKey().String(), "KEY_"), Scope: enumWord(limit.GetScope().String(), "SCOPE_"),
		}
		if m.RateLimit.Burst == 0 {
			m.RateLimit.Burst = m.RateLimit.Requests
		}
	}
}

func matrixToken(token *authzv1.AccessToken) *MatrixToken {
	t := &MatrixToken{
		Issuers: token.GetIssuers(), Scopes: token.GetScopes(), AnyScope: token.GetAnyScope(), ACRValues: token.GetAcrValues(),
		MaxAge: duration(token.GetMaxAge()), Validation: enumWord(token.GetValidation().String(), "VALIDATION_"),
	}
	for _, kind := range token.GetKinds() {
		t.Kinds = append(t.Kinds, enumWord(kind.String(), "KIND_"))
	}
	if len(t.Kinds)+len(t.Issuers)+len(t.Scopes)+len(t.AnyScope)+len(t.ACRValues) == 0 && t.MaxAge == "" && t.Validation == "" {
		return nil
	}

	return t
}

func matrixFreshness(c *authzv1.Consistency) *MatrixFreshness {
	f := &MatrixFreshness{Mode: enumWord(c.GetMode().String(), "MODE_"), Revision: c.GetRevision()}
	if f.Mode == "" {
		f.Mode = "minimize_latency"
	}
	if c.GetMode() == authzv1.Mode_MODE_AT_LEAST_AS_FRESH {
		if f.IfAbsent = enumWord(c.GetIfAbsent().String(), "MODE_"); f.IfAbsent == "" {
			f.IfAbsent = "fully_consistent"
		}
	}

	return f
}

// admits returns the kinds of callers that the token's part of a rule lets through.
func admits(policy *authz.Policy, token *authzv1.AccessToken) []string {
	var service, user bool
	for _, kind := range token.GetKinds() {
		service = service || kind == authzv1.Kind_KIND_SERVICE
		user = user || kind == authzv1.Kind_KIND_USER
	}
	switch {
	case len(token.GetKinds()) > 0:
	case policy.Subjects == (authz.Subjects{}) && len(policy.IssuerSubjects) == 0:
		service, user = true, true // they aren't known
	default:
		for _, subjects := range admittedSubjects(policy, token) {
			service, user = service || subjects.Service != "", user || subjects.User != ""
		}
	}
	var kinds []string
	if service {
		kinds = append(kinds, "service")
	}
	if user {
		kinds = append(kinds, "user")
	}

	return kinds
}

// admittedSubjects returns the subjects of the issuers whose tokens a rule admits.
func admittedSubjects(policy *authz.Policy, token *authzv1.AccessToken) []authz.Subjects {
	issuers := token.GetIssuers()
	if len(issuers) == 0 {
		issuers = policy.Issuers
	}
	if len(issuers) == 0 { // they aren't known
		return append(slices.Collect(maps.Values(policy.IssuerSubjects)), policy.Subjects)
	}
	all := make([]authz.Subjects, len(issuers))
	for i, issuer := range issuers {
		own, found := policy.IssuerSubjects[issuer]
		if all[i] = own; !found {
			all[i] = policy.Subjects
		}
	}

	return all
}

// enumWord returns an enum's value in lower case without its prefix, empty if it isn't
// specified.
func enumWord(name, prefix string) string {
	if name = strings.TrimPrefix(name, prefix); name == "UNSPECIFIED" {
		return ""
	}

	return strings.ToLower(name)
}

// duration returns a duration as Go writes it, without trailing zero units, and an empty
// text if it isn't set.
func duration(d *durationpb.Duration) string {
	if d == nil {
		return ""
	}
	text := d.AsDuration().Round(time.Microsecond).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}

	return text
}

// unique returns the texts without repetitions, in their order.
func unique(texts []string) []string {
	seen := map[string]bool{}

	return slices.DeleteFunc(texts, func(text string) bool {
		again := seen[text]
		seen[text] = true

		return again
	})
}
