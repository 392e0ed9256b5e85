package explain

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
)

const (
	// MaxMessage bounds a request's JSON, in bytes.
	MaxMessage = 1 << 20
	// maxTraced is how many queries of a call the engine is asked to explain.
	maxTraced = 20
	// maxFields is how many fields an error about a request lists.
	maxFields = 30
	// maxMessageDepth bounds the nesting of a request.
	maxMessageDepth = 100
)

// Config configures [Call].
type Config struct {
	// Source has the rules and the server's configuration. Required.
	Source lint.Source
	// Engine is the engine to ask, an authz.Engine. Optional. Default: no engine is asked,
	// and the result has what would be asked, and the decisions if each is granted or each
	// is denied.
	Engine any
	// EngineName is how the result names the engine. Optional.
	EngineName string
	// Timeout bounds each request to the engine. Optional. Default 10 s.
	Timeout time.Duration
	// Now is the clock. Optional, for tests. Default [time.Now].
	Now func() time.Time
}

// Request is the call to explain.
type Request struct {
	// Method is the full method, as in "pkg.Service/Method". Required.
	Method string `json:"method" jsonschema:"full method, as in pkg.Service/Method"`
	// Caller is who calls.
	Caller Caller `json:"caller" jsonschema:"who calls, as the access token describes it"`
	// Message is the request as JSON, or one message of a stream. Optional. Default: it
	// has no field set.
	Message []byte `json:"-"`
	// Metadata is what the rule's {$metadata.key} reads. Optional.
	Metadata map[string]string `json:"metadata,omitempty" jsonschema:"request metadata that the rule reads"`
	// PeerIP is the caller's address. Optional. Default: it isn't known.
	PeerIP string `json:"peer_ip,omitempty" jsonschema:"address of the caller, if the rule reads it"`
}

// Call explains a call. An error is about the configuration or the request, and not about
// the decision: a rule with a fault, or an engine that is down, is a decision, too.
func Call(ctx context.Context, config Config, request Request) (result *Result, err error) {
	defer func() {
		// Reading a broken descriptor may panic.
		if recovered := recover(); recovered != nil {
			result, err = nil, fmt.Errorf("a broken descriptor: %v", recovered)
		}
	}()
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Timeout <= 0 {
		config.Timeout = 10 * time.Second
	}
	policy, err := lint.Compile(config.Source)
	if err != nil {
		return nil, err
	}
	policy.Issuers = issuersOf(&config.Source, policy, request.Caller.Issuer)
	name := strings.TrimPrefix(request.Method, "/")
	rules := policy.Only(name).Methods[0]
	if rules.Descriptor == nil {
		return nil, unknownMethod(policy, name)
	}
	principal, err := request.Caller.principal(policy.Issuers, config.Now())
	if err != nil {
		return nil, err
	}
	message, err := request.message(rules.Descriptor.Input(), config.Source.Files)
	if err != nil {
		return nil, err
	}
	call := authz.Call{Principal: principal, Message: message, Metadata: func(key string) string { return request.Metadata[strings.ToLower(key)] }}
	if request.PeerIP != "" {
		if call.PeerIP, err = netip.ParseAddr(request.PeerIP); err != nil {
			return nil, fmt.Errorf("the address %.100q isn't an IP address", request.PeerIP)
		}
	}
	e := &explanation{config: &config, policy: policy, call: &call, result: newResult(&config, policy, &rules, &request)}
	if err := e.explain(ctx); err != nil {
		return nil, err
	}

	return e.result, nil
}

// explanation is the work on one call.
type explanation struct {
	config *Config
	policy *authz.Policy
	call   *authz.Call
	result *Result
}

// explain makes the decision, asks for traces, and for what would decide without an engine.
func (e *explanation) explain(ctx context.Context) error {
	record := &recorder{engine: e.config.Engine, answer: authz.Answer{Err: &authz.EngineError{Kind: authz.EngineUnavailable, Err: errNoEngine}}}
	outcome, parts, err := e.decide(ctx, record)
	if err != nil {
		return err
	}
	e.result.Outcome = *outcome
	e.result.Parts = partsOf(parts)
	if e.config.Engine == nil && len(record.asked) > 0 {
		return e.bothWays(ctx)
	}
	traced := map[string]bool{}
	each(e.result.Parts, func(query *Query) {
		if e.config.Engine == nil || traced[query.Text] || query.asked.Relation == "" {
			return
		}
		traced[query.Text] = true
		if len(traced) > maxTraced {
			e.result.notef("no more than %d queries are traced", maxTraced)

			return
		}
		consistency, _ := record.consistencyOf(query.asked)
		e.trace(ctx, query, consistency)
	})

	return nil
}

// trace adds how the engine comes to its answer.
func (e *explanation) trace(ctx context.Context, query *Query, consistency authz.Consistency) {
	if _, explains := e.config.Engine.(authz.Explainer); !explains {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	explained, err := authz.Explain(ctx, e.config.Engine, query.asked, consistency)
	switch {
	case err != nil:
		query.TraceError = err.Error()
	case explained.Trace != nil:
		query.Trace = stepOf(explained.Trace)
		if explained.Answer.Effect.String() != query.Effect && query.Error == "" {
			e.result.notef("%s was %s when it was decided and %s when it was traced: relations changed meanwhile", query.Text, query.Effect, explained.Answer.Effect)
		}
	}
}

// bothWays adds the decisions if an engine grants each query, and if it denies each.
func (e *explanation) bothWays(ctx context.Context) error {
	for effect, into := range map[authz.Effect]**Outcome{authz.EffectAllowed: &e.result.IfGranted, authz.EffectDenied: &e.result.IfDenied} {
		outcome, _, err := e.decide(ctx, &recorder{answer: authz.Answer{Effect: effect}})
		if err != nil {
			return err
		}
		*into = outcome
	}
	if e.result.Outcome.Reason == string(authz.ReasonEngineUnavailable) {
		e.result.Outcome = Outcome{Decision: Depends}
	}

	return nil
}

// decide makes the decision, by an authorizer as a server has it.
func (e *explanation) decide(ctx context.Context, record *recorder) (*Outcome, []authz.Part, error) {
	subjects := e.config.Source.Subjects
	if e.result.assumed {
		subjects = assumedSubjects(e.policy.Issuers)
	}
	config := authz.Config{
		Engine: record, Subjects: subjects, IssuerSubjects: e.config.Source.IssuerSubjects, Issuers: authz.Issuers(e.policy.Issuers),
		Rules: e.config.Source.Rules, Resolver: e.config.Source.Files, Expressions: e.config.Source.Expressions,
		Timeout: e.config.Timeout, Breaker: authz.BreakerConfig{Disabled: true}, DisableCombining: true, Now: e.config.Now,
	}
	if e.config.Source.ClaimPermissions {
		config.Permissions = authz.ClaimPermissions{}
	}
	authorizer, err := authz.New(config)
	if err != nil {
		return nil, nil, err
	}
	method := authorizer.Method("/" + e.result.Method)
	decision, parts, err := method.Explain(ctx, e.call)
	if ended := ctx.Err(); ended != nil {
		return nil, nil, ended
	}

	return outcomeOf(decision, err, method.HidesExistence()), parts, nil
}

// issuersOf returns the issuers that the server trusts, as package lint takes them: where
// they aren't configured, those that rules and subjects name, or else the caller's.
func issuersOf(source *lint.Source, policy *authz.Policy, callers string) []string {
	if len(source.Issuers) > 0 {
		return source.Issuers
	}
	names := map[string]bool{}
	for name := range source.IssuerSubjects {
		names[name] = true
	}
	for _, m := range policy.Methods {
		for _, name := range m.Rule.GetAccessToken().GetIssuers() {
			names[name] = true
		}
	}
	delete(names, "")
	switch {
	case len(names) > 0:
		return slices.Sorted(maps.Keys(names))
	case callers != "":
		return []string{callers}
	default:
		return []string{"issuer"}
	}
}

// assumedSubjects are the subjects where the server's aren't known, as package lint
// assumes them.
func assumedSubjects(issuers []string) authz.Subjects {
	if len(issuers) > 1 {
		return authz.Subjects{Service: "service:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}"}
	}

	return authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}
}

// unknownMethod returns an error that lists methods of a similar name.
func unknownMethod(policy *authz.Policy, name string) error {
	_, last, _ := strings.Cut(name, "/")
	var similar []string
	for _, m := range policy.Methods {
		service, method, _ := strings.Cut(m.Method, "/")
		if strings.EqualFold(method, last) || strings.EqualFold(method, name) || strings.HasPrefix(name, service+"/") || strings.HasPrefix(name, service+".") {
			if similar = append(similar, m.Method); len(similar) == maxFields {
				break
			}
		}
	}
	if len(similar) == 0 {
		return fmt.Errorf("there is no method %.200q: name it as pkg.Service/Method", name)
	}

	return fmt.Errorf("there is no method %.200q: did you mean one of %s", name, strings.Join(similar, ", "))
}

var errDeep = fmt.Errorf("the request nests deeper than %d levels", maxMessageDepth)

// message returns the request as the method's message.
func (r *Request) message(input protoreflect.MessageDescriptor, files authz.Resolver) (proto.Message, error) {
	message := dynamicpb.NewMessage(input)
	if len(r.Message) == 0 {
		return message, nil
	}
	if len(r.Message) > MaxMessage {
		return nil, fmt.Errorf("the request is larger than %d bytes", MaxMessage)
	}
	err := protojson.UnmarshalOptions{RecursionLimit: maxMessageDepth, Resolver: typesOf(files)}.Unmarshal(r.Message, message)
	if err == nil {
		return message, nil
	}
	// Whether the JSON has an error or the message no such field, the fields help.
	text := strings.TrimSpace(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "proto:"), "\u00a0", " "))
	if strings.Contains(text, "recursion") {
		return nil, errDeep
	}

	return nil, fmt.Errorf("the request isn't a %s: %.300s; its fields are %s", input.FullName(), text, fieldsOf(input))
}

func fieldsOf(message protoreflect.MessageDescriptor) string {
	names := []string{}
	for i := range message.Fields().Len() {
		if i == maxFields {
			names = append(names, "…")

			break
		}
		names = append(names, string(message.Fields().Get(i).Name()))
	}
	if len(names) == 0 {
		return "none"
	}

	return strings.Join(names, ", ")
}
