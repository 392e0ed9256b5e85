package authz

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz/internal/template"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// consistencyRule is a compiled Consistency.
type consistencyRule struct {
	mode     Mode
	revision *template.Template
	absent   Mode
}

// site collects the faults of one method.
type site struct {
	// of is what the rule is of; nil in tests.
	of     protoreflect.Descriptor
	file   string
	line   int
	method string
	faults []*RuleError
}

func (s *site) fail(path string, column int, problem, fix string) {
	s.faults = append(s.faults, &RuleError{
		ID: FaultRuleInvalid, File: s.file, Line: s.line, Method: s.method, Path: path, Column: column, Problem: problem, Fix: fix,
	})
}

// fault reports a template's fault; a nil fault is none.
func (s *site) fault(path string, bad *template.Fault) {
	if bad != nil {
		s.fail(path, bad.Column, bad.Problem, bad.Fix)
	}
}

// checkName reports a permission or an action that can't be one name: exactly what a
// scope-token may hold, except a pattern.
func (s *site) checkName(what, name, path string) {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == '"' || c == '\\' || c >= 0x7f {
			s.fail(path, i, "the "+what+" can't hold this character", "write one "+what+", without spaces")

			return
		}
		if name[i] == '{' || name[i] == '}' {
			s.fail(path, i, "the "+what+" is literal: it reads no field", "write one "+what+", without braces")

			return
		}
		if name[i] == '*' {
			s.fail(path, i, "the "+what+" is one name, no pattern", "write one "+what+", or several as conditions of any_of or all_of")

			return
		}
	}
	switch {
	case name == "":
		s.fail(path, -1, "the "+what+" is empty", "write its name")
	case len(name) > template.MaxValue:
		s.fail(path, template.MaxValue, "the "+what+" is too long", "write its name")
	}
}

// checkScope reports a scope that isn't a scope-token (RFC 6749 §3.3).
func (s *site) checkScope(scope, path string) {
	for i := range len(scope) {
		if c := scope[i]; c <= ' ' || c == '"' || c == '\\' || c >= 0x7f {
			s.fail(path, i, "a scope can't hold this character", "write one scope, without spaces")

			return
		}
	}
	if scope == "" {
		s.fail(path, -1, "the scope is empty", "write a scope")
	}
}

// compileMethod compiles one rule. The method is never nil; one with faults is
// denied.
func (a *Authorizer) compileMethod(md protoreflect.MethodDescriptor, at *site, own, def *authzv1.Rule) *Method {
	m := &Method{owner: a, name: fullMethod(md), input: md.Input()}
	defer func() {
		m.faults = at.faults
		m.granted = &Decision{allowed: true, method: m.name, rule: m.rule}
		m.remembered = &Decision{allowed: true, method: m.name, rule: m.rule, remembered: true}
	}()
	whole := inherit(own, def)
	m.whole, m.at = whole, at
	admitted := whole.rule.GetAccessToken().GetIssuers()
	cs := &conditions{
		site: at, input: md.Input(), subjects: &a.subjects, compiler: a.compiler, claims: a.claims,
		issuers: a.issuers.narrowed(admitted), unlisted: a.issuers.unlisted(admitted), named: len(admitted) > 0,
	}
	cs.servicesOnly = servicesOnly(whole.rule.GetAccessToken().GetKinds())
	m.compilePolicy(whole, own, cs)
	if m.policy == policyPublic || own.GetDeny() != nil {
		if own.GetAccessToken() != nil {
			at.fail(pathRule+".access_token", -1, "no token is looked at under this policy", "leave access_token out")
		}
	}
	if m.policy != policyPublic && m.policy != policyDeny {
		m.compileToken(whole, at)
		m.compileIssuers(whole, at)
		m.compileStream(whole, own, md, cs)
	}
	m.compileLimit(whole, own, at)
	m.compileConsistency(whole, cs)
	m.hides = whole.rule.GetOnDeny() == authzv1.OnDeny_ON_DENY_NOT_FOUND
	for _, own := range cs.ruled {
		own.method = m
		a.ruled = append(a.ruled, own)
	}
	m.leaves, m.reads, m.connection, m.pins, m.copies = cs.leaves, cs.reads, cs.connection, cs.pins, cs.copies
	a.demand(m, cs, at)
	if len(at.faults) == 0 {
		m.rule = m.text()
		m.single = m.policy == policyCondition && m.root.asksOnce() && m.consistency.mode == ModeMinimizeLatency
	}

	return m
}

func (m *Method) compilePolicy(whole *merged, own *authzv1.Rule, cs *conditions) {
	path := strings.TrimSuffix(whole.at("policy"), ".policy")
	switch rule := whole.rule.GetPolicy().(type) {
	case *authzv1.Rule_Public:
		m.policy = policyPublic
		if own.GetPublic() == nil {
			m.policy = policyDeny
			cs.site.fail(path+".public", -1, "a service's default can't be public", "make each method public on its own")
		}
	case *authzv1.Rule_Authenticated:
		m.policy = policyAuthenticated
	case *authzv1.Rule_Handler:
		m.policy = policyHandler
		cs.asksAboutCaller = true
	case *authzv1.Rule_Deny:
		m.policy = policyDeny
	case *authzv1.Rule_Check:
		m.policy, m.root = policyCondition, cs.check(rule.Check, path+".check")
	case *authzv1.Rule_Match:
		m.policy, m.root = policyCondition, cs.match(rule.Match, path+".match")
	case *authzv1.Rule_Permission:
		m.policy, m.root = policyCondition, cs.permission(rule.Permission, path+".permission")
	case *authzv1.Rule_Attributes:
		m.policy, m.root = policyCondition, cs.attributes(rule.Attributes, path+".attributes")
	case *authzv1.Rule_Expression:
		m.policy, m.root = policyCondition, cs.expression(rule.Expression, path+".expression")
	case *authzv1.Rule_AllOf:
		m.policy, m.root = policyCondition, cs.group(nodeAll, rule.AllOf.GetConditions(), path+".all_of", 1)
	case *authzv1.Rule_AnyOf:
		m.policy, m.root = policyCondition, cs.group(nodeAny, rule.AnyOf.GetConditions(), path+".any_of", 1)
	default:
		cs.site.fail(pathRule, -1, "the rule has no policy", "set public, authenticated, check, permission, attributes, match, expression, all_of, any_of, handler or deny")
	}
}

func (m *Method) compileToken(whole *merged, at *site) {
	token := whole.rule.GetAccessToken()
	for i, scope := range token.GetScopes() {
		at.checkScope(scope, whole.at("access_token.scopes")+index(i))
	}
	for i, scope := range token.GetAnyScope() {
		at.checkScope(scope, whole.at("access_token.any_scope")+index(i))
	}
	for i, acr := range token.GetAcrValues() {
		if acr == "" || strings.ContainsAny(acr, " \"\\\t\r\n") {
			at.fail(whole.at("access_token.acr_values")+index(i), -1, "the value is empty or holds white space or quotes", "write one value of the acr claim")
		}
	}
	for i, kind := range token.GetKinds() {
		m.token.kinds = true
		switch kind {
		case authzv1.Kind_KIND_SERVICE:
			m.token.service = true
		case authzv1.Kind_KIND_USER:
			m.token.user = true
		case authzv1.Kind_KIND_UNSPECIFIED:
			fallthrough
		default:
			at.fail(whole.at("access_token.kinds")+index(i), -1, "the kind isn't specified", "write KIND_SERVICE or KIND_USER")
		}
	}
	m.token.scopes, m.token.anyScope, m.token.acrValues = token.GetScopes(), token.GetAnyScope(), token.GetAcrValues()
	m.token.maxAge = at.duration(token.GetMaxAge(), whole.at("access_token.max_age"))
	if m.token.maxAge > 0 && m.token.kinds && !m.token.user {
		// RFC 9068 §2.2.1: auth_time is the resource owner's. An acr is allowed
		// here, since some issuers write one for services too.
		at.fail(whole.at("access_token.max_age"), -1, "a service has no auth_time, so no caller can pass", "leave max_age out, or admit KIND_USER")
	}
	m.validation = token.GetValidation()
}

func servicesOnly(kinds []authzv1.Kind) bool {
	return len(kinds) > 0 && !slices.ContainsFunc(kinds, func(kind authzv1.Kind) bool { return kind != authzv1.Kind_KIND_SERVICE })
}

func (m *Method) compileIssuers(whole *merged, at *site) {
	names := whole.rule.GetAccessToken().GetIssuers()
	for i := range names {
		if bad := m.owner.issuers.listed(names, i); bad != nil {
			at.fault(whole.at("access_token.issuers")+index(i), bad)
		}
	}
	m.token.issuers = names
}

// compileStream compiles the stream part of a rule, after its policy.
func (m *Method) compileStream(whole *merged, own *authzv1.Rule, md protoreflect.MethodDescriptor, cs *conditions) {
	at := cs.site
	if !md.IsStreamingClient() && !md.IsStreamingServer() {
		if own.GetStream() != nil {
			at.fail(pathRule+".stream", -1, "the method is unary", "leave stream out")
		}

		return
	}
	const first = authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE
	// A message_check that the method inherits and can't use is ignored, as for a
	// unary method.
	m.first = whole.rule.GetStream().GetMessageCheck() == first && len(cs.pins) > 0
	if own.GetStream().GetMessageCheck() == first && len(cs.pins) == 0 && len(at.faults) == 0 {
		at.fail(whole.at("stream.message_check"), -1, "the rule reads no object from the message, so there is nothing to hold later ones to",
			"name the object by a field, or leave message_check out")
	}
	if m.first && cs.unpinned {
		at.fail(whole.at("stream.message_check"), -1, "an expression of the rule reads the message, and later ones can't be held to what the first one said",
			"leave message_check out")
	}
	if name, found := cs.zeroInContext(); m.first && found {
		at.fail(whole.at("stream.message_check"), -1, "the value "+strconv.Quote(name)+" is of a field whose zero can't be told from unset, so a later message could change it",
			"name a field with presence, such as an optional one, or leave message_check out")
	}
	m.recheck = at.duration(whole.rule.GetStream().GetRecheckInterval(), whole.at("stream.recheck_interval"))
	if m.recheck > 0 && m.policy == policyHandler {
		at.fail(whole.at("stream.recheck_interval"), -1, "nothing would repeat the handler's checks", "let the handler ask again itself, and leave recheck_interval out")
	}
	if m.recheck > 0 && m.recheck < minRecheck {
		at.fail(whole.at("stream.recheck_interval"), -1, "the interval is below a second, so each stream would keep the engine busy", "write it as {seconds: 1}, or more")
	}
}

// minRecheck keeps a rule from asking the engine without a pause.
const minRecheck = time.Second

// duration returns zero for an unset duration, and reports one that isn't positive.
func (s *site) duration(d *durationpb.Duration, path string) time.Duration {
	if d == nil {
		return 0
	}
	if err := d.CheckValid(); err != nil || d.AsDuration() <= 0 {
		s.fail(path, -1, "the duration isn't positive", "write it as {seconds: 300}, or leave it out")

		return 0
	}

	return d.AsDuration()
}

func (m *Method) compileConsistency(whole *merged, cs *conditions) {
	rule := whole.rule.GetConsistency()
	fresh := rule.GetMode() == authzv1.Mode_MODE_AT_LEAST_AS_FRESH
	m.consistency = consistencyRule{mode: engineMode(rule.GetMode(), ModeMinimizeLatency), absent: engineMode(rule.GetIfAbsent(), ModeFullyConsistent)}
	switch {
	case !fresh && rule.GetRevision() != "":
		cs.site.fail(whole.at("consistency.revision"), -1, "a revision has no meaning in this mode", "set mode MODE_AT_LEAST_AS_FRESH, or leave it out")
	case !fresh && rule.GetIfAbsent() != 0:
		cs.site.fail(whole.at("consistency.if_absent"), -1, "if_absent has no meaning in this mode", "set mode MODE_AT_LEAST_AS_FRESH, or leave it out")
	case fresh && rule.GetRevision() == "":
		cs.site.fail(whole.at("consistency.revision"), -1, "the mode needs a revision", "write where the call has it, as in \"{$metadata.x-revision}\"")
	case fresh && rule.GetIfAbsent() == authzv1.Mode_MODE_AT_LEAST_AS_FRESH:
		cs.site.fail(whole.at("consistency.if_absent"), -1, "without a revision this mode has no meaning", "write MODE_FULLY_CONSISTENT or MODE_MINIMIZE_LATENCY")
	case fresh:
		pins := cs.pins // a revision isn't an object: later messages may have another
		m.consistency.revision = cs.template(rule.GetRevision(), whole.at("consistency.revision"), template.RoleRevision)
		cs.pins = pins
	}
}

func engineMode(mode authzv1.Mode, unset Mode) Mode {
	switch mode {
	case authzv1.Mode_MODE_MINIMIZE_LATENCY:
		return ModeMinimizeLatency
	case authzv1.Mode_MODE_AT_LEAST_AS_FRESH:
		return ModeAtLeastAsFresh
	case authzv1.Mode_MODE_FULLY_CONSISTENT:
		return ModeFullyConsistent
	case authzv1.Mode_MODE_UNSPECIFIED:
		return unset
	default:
		return ModeFullyConsistent
	}
}

func (m *Method) text() string {
	switch m.policy {
	case policyPublic:
		return "public"
	case policyAuthenticated:
		return "authenticated"
	case policyHandler:
		return "handler"
	case policyCondition:
		return m.root.text()
	case policyDeny:
		return "deny"
	default:
		return "deny"
	}
}

func fullMethod(md protoreflect.MethodDescriptor) string {
	return "/" + string(md.Parent().FullName()) + "/" + string(md.Name())
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }
