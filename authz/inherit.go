package authz

import (
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// The parts of a rule that the paths of faults start with.
const (
	pathRule    = "rule"
	pathDefault = "service_rule.default"
)

// merged is a method's rule after inheritance, with the place that each part is
// from.
type merged struct {
	rule *authzv1.Rule
	from map[string]string
}

// at returns the path of a part, as in "rule.check" or
// "service_rule.default.check".
func (m *merged) at(part string) string {
	if from := m.from[part]; from != "" {
		return from + "." + part
	}

	return pathRule + "." + part
}

// inherit merges the method's own rule with the service's default, part by part. An
// unset scalar, an unspecified enum or an empty list inherits. A policy that is set
// replaces the default's as a whole.
func inherit(own, def *authzv1.Rule) *merged {
	if own == nil {
		own = &authzv1.Rule{}
	}
	m := &merged{rule: &authzv1.Rule{}, from: map[string]string{}}
	if m.take("policy", own.GetPolicy() != nil, def.GetPolicy() != nil) {
		m.rule.Policy = own.GetPolicy()
	} else if def.GetPolicy() != nil {
		m.rule.Policy = def.GetPolicy()
	}
	if own.GetAccessToken() != nil || def.GetAccessToken() != nil {
		m.rule.AccessToken = m.accessToken(own.GetAccessToken(), def.GetAccessToken())
	}
	if own.GetStream() != nil || def.GetStream() != nil {
		m.rule.Stream = m.stream(own.GetStream(), def.GetStream())
	}
	if own.GetConsistency() != nil || def.GetConsistency() != nil {
		m.rule.Consistency = m.consistency(own.GetConsistency(), def.GetConsistency())
	}
	m.rule.RateLimit = def.GetRateLimit()
	if m.take("rate_limit", own.GetRateLimit() != nil, def.GetRateLimit() != nil) {
		m.rule.RateLimit = own.GetRateLimit()
	}
	m.rule.OnDeny = def.GetOnDeny()
	if m.take("on_deny", own.GetOnDeny() != 0, def.GetOnDeny() != 0) {
		m.rule.OnDeny = own.GetOnDeny()
	}

	return m
}

// take records where a part is from, and reports whether it is the method's own.
func (m *merged) take(part string, own, def bool) bool {
	if !own && def {
		m.from[part] = pathDefault
	}

	return own
}

func (m *merged) accessToken(own, def *authzv1.AccessToken) *authzv1.AccessToken {
	token := &authzv1.AccessToken{
		Scopes: def.GetScopes(), AnyScope: def.GetAnyScope(), AcrValues: def.GetAcrValues(),
		MaxAge: def.GetMaxAge(), Kinds: def.GetKinds(), Validation: def.GetValidation(), Issuers: def.GetIssuers(),
	}
	if m.take("access_token.scopes", len(own.GetScopes()) > 0, len(token.GetScopes()) > 0) {
		token.Scopes = own.GetScopes()
	}
	if m.take("access_token.any_scope", len(own.GetAnyScope()) > 0, len(token.GetAnyScope()) > 0) {
		token.AnyScope = own.GetAnyScope()
	}
	if m.take("access_token.acr_values", len(own.GetAcrValues()) > 0, len(token.GetAcrValues()) > 0) {
		token.AcrValues = own.GetAcrValues()
	}
	if m.take("access_token.max_age", own.GetMaxAge() != nil, token.GetMaxAge() != nil) {
		token.MaxAge = own.GetMaxAge()
	}
	if m.take("access_token.kinds", len(own.GetKinds()) > 0, len(token.GetKinds()) > 0) {
		token.Kinds = own.GetKinds()
	}
	if m.take("access_token.issuers", len(own.GetIssuers()) > 0, len(token.GetIssuers()) > 0) {
		token.Issuers = own.GetIssuers()
	}
	if m.take("access_token.validation", own.GetValidation() != 0, token.GetValidation() != 0) {
		token.Validation = own.GetValidation()
	}

	return token
}

func (m *merged) stream(own, def *authzv1.Stream) *authzv1.Stream {
	stream := &authzv1.Stream{MessageCheck: def.GetMessageCheck(), RecheckInterval: def.GetRecheckInterval()}
	if m.take("stream.message_check", own.GetMessageCheck() != 0, stream.GetMessageCheck() != 0) {
		stream.MessageCheck = own.GetMessageCheck()
	}
	if m.take("stream.recheck_interval", own.GetRecheckInterval() != nil, stream.GetRecheckInterval() != nil) {
		stream.RecheckInterval = own.GetRecheckInterval()
	}

	return stream
}

// consistency inherits field by field. A method that sets another mode doesn't
// inherit the default's revision, which would have no meaning.
func (m *merged) consistency(own, def *authzv1.Consistency) *authzv1.Consistency {
	mode := def.GetMode()
	if m.take("consistency.mode", own.GetMode() != 0, mode != 0) {
		mode = own.GetMode()
	}
	consistency := &authzv1.Consistency{Mode: mode}
	if mode == authzv1.Mode_MODE_AT_LEAST_AS_FRESH {
		consistency.Revision, consistency.IfAbsent = def.GetRevision(), def.GetIfAbsent()
	}
	if m.take("consistency.revision", own.GetRevision() != "", consistency.GetRevision() != "") {
		consistency.Revision = own.GetRevision()
	}
	if m.take("consistency.if_absent", own.GetIfAbsent() != 0, consistency.GetIfAbsent() != 0) {
		consistency.IfAbsent = own.GetIfAbsent()
	}

	return consistency
}
