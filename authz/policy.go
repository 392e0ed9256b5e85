package authz

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Policy is everything that rules say, as data: the rule of each method after
// inheritance, whether it is from a .proto or from code, and the subjects that they are
// about. Package authz/lint judges, compares and prints it. It is a copy: changing it
// changes no decision. It isn't safe for concurrent changes.
type Policy struct {
	// Methods are the methods of all compiled services, with and without a rule, sorted
	// by name.
	Methods []MethodPolicy
	// Subjects, IssuerSubjects and Issuers are those of [Config].
	Subjects       Subjects
	IssuerSubjects map[string]Subjects
	Issuers        []string
	// ClaimPermissions is set if permissions are those of the caller's token.
	ClaimPermissions bool
	// Faults are those of services that can't be read, which have no method here.
	Faults []*RuleError
}

// MethodPolicy is the rule of one method.
type MethodPolicy struct {
	// Method is the full method, as in "pkg.Service/Method".
	Method string
	// Descriptor describes the method. Nil if the policy was read from a file that
	// doesn't hold descriptors.
	Descriptor protoreflect.MethodDescriptor
	// ClientStreaming and ServerStreaming are set if the caller or the server sends a
	// stream of messages.
	ClientStreaming, ServerStreaming bool
	// File is the .proto that declares the method, or "code" for a rule in code, and
	// Line the line of its rule, as in [RuleError].
	File string
	Line int
	// Rule is the rule after inheritance, without the parts that have no effect: under a
	// public rule those about tokens, and for a unary method those about streams. Nil if
	// the method has no rule, or one that can't be read: it is denied.
	Rule *authzv1.Rule
	// Inherited are the parts of the rule that are the service's default, as in "policy"
	// or "access_token.scopes", sorted.
	Inherited []string
	// ExpressionReads are the fields of the request that the rule's expressions read,
	// themselves or within them, sorted. "*" alone means that they may read every field.
	ExpressionReads []string
	// Faults are what is wrong with the rule. A method with a fault is denied.
	Faults []*RuleError
}

// Path returns the path of a part of the rule, as faults have it: "rule.check.object", or
// "service_rule.default.check.object" if the part is inherited. The part is one of the
// policy, such as "check.object", or another, such as "access_token.scopes".
func (m *MethodPolicy) Path(part string) string {
	inherited := slices.ContainsFunc(m.Inherited, func(from string) bool {
		return part == from || strings.HasPrefix(part, from+".") || strings.HasPrefix(part, from+"[")
	})
	if !inherited && slices.Contains(m.Inherited, "policy") {
		name, _, _ := strings.Cut(part, ".")
		name, _, _ = strings.Cut(name, "[")
		field := (&authzv1.Rule{}).ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))
		inherited = field != nil && field.ContainingOneof() != nil
	}
	if inherited {
		return pathDefault + "." + part
	}

	return pathRule + "." + part
}

// Policy returns the rules as data.
func (a *Authorizer) Policy() *Policy {
	p := &Policy{
		Subjects: a.subjects.given, IssuerSubjects: maps.Clone(a.subjects.givenByIssuer), Issuers: a.IssuerNames(), ClaimPermissions: a.claims,
	}
	for _, m := range a.methods {
		p.Methods = append(p.Methods, m.describe())
	}
	for _, at := range a.ruleless {
		p.Methods = append(p.Methods, at.describe())
	}
	slices.SortFunc(p.Methods, func(a, b MethodPolicy) int { return cmp.Compare(a.Method, b.Method) })
	for _, fault := range a.faults {
		if !strings.Contains(fault.Method, "/") {
			p.Faults = append(p.Faults, fault)
		}
	}

	return p
}

// Only returns the policy of some methods alone, each named as in "pkg.Service/Method" or
// "/pkg.Service/Method". A name that the policy doesn't have counts as a method without a
// rule.
func (p *Policy) Only(fullMethods ...string) *Policy {
	part := *p
	part.Methods = nil
	for _, name := range fullMethods {
		name = strings.TrimPrefix(name, "/")
		if i, found := slices.BinarySearchFunc(p.Methods, name, func(m MethodPolicy, name string) int { return cmp.Compare(m.Method, name) }); found {
			part.Methods = append(part.Methods, p.Methods[i])
		} else {
			part.Methods = append(part.Methods, MethodPolicy{Method: name})
		}
	}
	slices.SortFunc(part.Methods, func(a, b MethodPolicy) int { return cmp.Compare(a.Method, b.Method) })
	part.Methods = slices.CompactFunc(part.Methods, func(a, b MethodPolicy) bool { return a.Method == b.Method })

	return &part
}

func (s *site) describe() MethodPolicy {
	m := MethodPolicy{Method: s.method, File: s.file, Line: s.line}
	if md, ok := s.of.(protoreflect.MethodDescriptor); ok {
		m.Descriptor, m.ClientStreaming, m.ServerStreaming = md, md.IsStreamingClient(), md.IsStreamingServer()
	}

	return m
}

func (m *Method) describe() MethodPolicy {
	p := m.at.describe()
	p.Faults = slices.Clone(m.faults)
	if m.whole == nil {
		return p
	}
	p.Rule = proto.CloneOf(m.whole.rule)
	p.Inherited = slices.Sorted(maps.Keys(m.whole.from))
	m.withoutIdle(p.Rule)
	p.ExpressionReads = m.expressionReads()

	return p
}

// expressionReads returns the fields that expressions read, or "*" for all of them.
func (m *Method) expressionReads() []string {
	names := make([]string, 0, len(m.copies))
	for _, fd := range m.copies {
		names = append(names, string(fd.Name()))
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) > 0 && len(names) == m.input.Fields().Len() {
		return []string{"*"}
	}

	return names
}

// withoutIdle removes the parts of the rule that have no effect on the method.
func (m *Method) withoutIdle(rule *authzv1.Rule) {
	if m.policy == policyPublic || m.policy == policyDeny {
		rule.AccessToken, rule.Stream, rule.Consistency = nil, nil, nil
	}
	if m.limit == nil {
		rule.RateLimit = nil
	}
	if md, ok := m.at.of.(protoreflect.MethodDescriptor); ok && !md.IsStreamingClient() && !md.IsStreamingServer() {
		rule.Stream = nil
	}
	if !m.first && rule.GetStream().GetMessageCheck() == authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE {
		rule.Stream.MessageCheck = authzv1.MessageCheck_MESSAGE_CHECK_UNSPECIFIED
	}
}
