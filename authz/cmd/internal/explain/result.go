package explain

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/usher-auth/usher/authz"
)

// Version is the version of a result as JSON.
const Version = 1

// The decisions.
const (
	Allowed = "allowed"
	Denied  = "denied"
	// Depends is a decision that needs an engine's answers, where none was named.
	Depends = "depends on the engine"
)

// Result is why a call passes or not. It holds values of the caller and the request, and
// ids of other objects and subjects: it is for operators.
type Result struct {
	// Version is [Version].
	Version int `json:"version"`
	// Method is the full method, as in "pkg.Service/Method".
	Method string `json:"method"`
	Caller Caller `json:"caller"`
	// Engine is the engine that was asked, "none" if none was.
	Engine string `json:"engine"`
	// Rule is the method's rule.
	Rule Rule `json:"rule"`
	// Outcome is the decision.
	Outcome Outcome `json:"outcome"`
	// IfGranted and IfDenied are the decisions if an engine grants each query, and if it
	// denies each. They are set if no engine was asked and the rule has queries.
	IfGranted *Outcome `json:"if_granted,omitempty"`
	IfDenied  *Outcome `json:"if_denied,omitempty"`
	// Parts are what each part of the rule comes to.
	Parts []Part `json:"parts,omitempty"`
	// Notes are what else should be known, such as what was assumed.
	Notes []string `json:"notes,omitempty"`

	// assumed is set if the server's subjects aren't known.
	assumed bool
	// handled is set if the handler decides the rest.
	handled bool
}

// Rule is a method's rule after inheritance.
type Rule struct {
	// File is the .proto that has the rule, or "code", and Line its line, zero if it isn't
	// known.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Text is the rule as one line of JSON; empty if the method has none.
	Text string `json:"text,omitempty"`
	// Inherited are the parts that are the service's default.
	Inherited []string `json:"inherited,omitempty"`
	// Faults are what is wrong with the rule. A method with a fault is denied.
	Faults []string `json:"faults,omitempty"`
}

// Outcome is a decision, and what the caller is told.
type Outcome struct {
	// Decision is [Allowed], [Denied] or [Depends].
	Decision string `json:"decision"`
	// Reason is the reason for operators, empty unless the call is denied.
	Reason string `json:"reason,omitempty"`
	// Code and Told are the gRPC code and the reason that the caller gets. Told is empty
	// where the rule hides existence.
	Code string `json:"code,omitempty"`
	Told string `json:"told,omitempty"`
	// Cause says more, for operators.
	Cause string `json:"cause,omitempty"`
}

// Part is one part of the rule.
type Part struct {
	// Path is where it is, as in "rule.access_token.scopes[0]".
	Path string `json:"path"`
	// Text is the part on one line.
	Text string `json:"text"`
	// Outcome is "met", "not met", or "undecided": then other parts decided the call, or
	// Cause says why.
	Outcome string  `json:"outcome"`
	Cause   string  `json:"cause,omitempty"`
	Queries []Query `json:"queries,omitempty"`
	Parts   []Part  `json:"parts,omitempty"`
}

// Query is one question to the engine.
type Query struct {
	// Text is the query on one line, as in "document:1#viewer@user:alice".
	Text string `json:"query"`
	// Context and the properties are what it is asked with.
	Context            map[string]any `json:"context,omitempty"`
	SubjectProperties  map[string]any `json:"subject_properties,omitempty"`
	ActionProperties   map[string]any `json:"action_properties,omitempty"`
	ResourceProperties map[string]any `json:"resource_properties,omitempty"`
	// Effect is the answer: "allowed", "denied", "conditional" or "unknown".
	Effect string `json:"effect"`
	// Missing names the context values that a conditional answer lacked.
	Missing []string `json:"missing,omitempty"`
	// Error is why there is no answer.
	Error string `json:"error,omitempty"`
	// Said is what the engine added to its answer, such as a reason.
	Said map[string]any `json:"said,omitempty"`
	// Trace is how the engine comes to its answer, if it tells; TraceError is why it
	// doesn't.
	Trace      *Step  `json:"trace,omitempty"`
	TraceError string `json:"trace_error,omitempty"`

	asked authz.Query
}

// Step is one step of an engine's trace.
type Step struct {
	// Text is the step on one line.
	Text     string        `json:"step"`
	Effect   string        `json:"effect,omitempty"`
	Operator string        `json:"operator,omitempty"`
	Detail   string        `json:"detail,omitempty"`
	Missing  []string      `json:"missing,omitempty"`
	Cached   bool          `json:"cached,omitempty"`
	Duration time.Duration `json:"duration_ns,omitempty"`
	Steps    []*Step       `json:"steps,omitempty"`
	// Omitted is how many steps within were left out.
	Omitted int `json:"omitted,omitempty"`
}

func newResult(config *Config, policy *authz.Policy, rules *authz.MethodPolicy, request *Request) *Result {
	r := &Result{Version: Version, Method: rules.Method, Caller: request.Caller, Engine: config.EngineName}
	if config.Engine == nil {
		r.Engine = "none"
	}
	r.Rule = Rule{File: rules.File, Line: rules.Line, Inherited: rules.Inherited}
	if rules.Rule != nil {
		r.Rule.Text = ruleText(rules)
	}
	for _, fault := range rules.Faults {
		r.Rule.Faults = append(r.Rule.Faults, fault.Error())
	}
	if policy.Subjects == (authz.Subjects{}) && len(policy.IssuerSubjects) == 0 {
		r.assumed = true
		assumed := assumedSubjects(policy.Issuers)
		r.notef("the server's subjects aren't known: %s and %s are assumed", assumed.Service, assumed.User)
	}
	if rules.Rule.GetRateLimit() != nil {
		r.notef("the rate limit isn't judged: it depends on other calls")
	}
	if rules.ClientStreaming || rules.ServerStreaming {
		r.notef("this is the decision about one message of a stream")
	}
	if r.handled = rules.Rule.GetHandler() != nil; r.handled {
		r.notef("the handler decides the rest, by checks of its own that no rule shows")
	}

	return r
}

// ruleText returns a rule as JSON, in one form for equal rules: protojson varies its
// spaces.
func ruleText(rules *authz.MethodPolicy) string {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(rules.Rule)
	if err != nil {
		return ""
	}
	var value any
	if json.Unmarshal(text, &value) != nil {
		return ""
	}

	return plainJSON(value)
}

// plainJSON returns a value as JSON on one line, for people: <, > and & stay as they are,
// which expressions have. What isn't printable is left to the writer of the text.
func plainJSON(value any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return ""
	}

	return strings.TrimSuffix(text.String(), "\n")
}

func (r *Result) notef(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

func outcomeOf(decision *authz.Decision, err error, hides bool) *Outcome {
	if decision.Allowed() && err == nil {
		return &Outcome{Decision: Allowed, Code: "OK"}
	}
	outcome := &Outcome{Decision: Denied, Reason: string(decision.Reason())}
	outcome.Code, outcome.Told = statusOf(decision.Reason(), hides)
	if decision.Reason() == "" { // the call ended before a decision
		outcome.Code, outcome.Told = "INTERNAL", ""
	}
	if err != nil {
		outcome.Cause = err.Error()
	}

	return outcome
}

func partsOf(parts []authz.Part) []Part {
	out := make([]Part, len(parts))
	for i, part := range parts {
		out[i] = Part{Path: part.Path, Text: part.Text, Outcome: outcomes[part.Effect], Parts: partsOf(part.Parts)}
		out[i].Cause = causeOf(part.Err)
		if out[i].Outcome == "" {
			out[i].Outcome = "undecided"
		}
		for _, checked := range part.Checks {
			out[i].Queries = append(out[i].Queries, queryOf(checked))
		}
	}

	return out
}

func causeOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errNoEngine):
		return errNoEngine.Error()
	default:
		return err.Error()
	}
}

var outcomes = map[authz.Effect]string{authz.EffectAllowed: "met", authz.EffectDenied: "not met"}

func queryOf(checked authz.Checked) Query {
	q := Query{
		Text: checked.Query.String(), Context: values(checked.Query.Context), Effect: checked.Answer.Effect.String(),
		Missing: checked.Answer.Missing, Said: values(checked.Answer.Context), asked: checked.Query,
	}
	if properties := checked.Query.Properties; properties != nil {
		q.SubjectProperties, q.ActionProperties, q.ResourceProperties = values(properties.Subject), values(properties.Action), values(properties.Resource)
	}
	if err := checked.Answer.Err; err != nil {
		q.Effect, q.Error = authz.EffectUnknown.String(), causeOf(err)
	}

	return q
}

// values returns values that have a form in JSON.
func values(given map[string]any) map[string]any {
	if len(given) == 0 {
		return nil
	}
	shown := maps.Clone(given)
	for name, value := range shown {
		if _, err := json.Marshal(value); err != nil {
			shown[name] = fmt.Sprint(value)
		}
	}

	return shown
}

func stepOf(trace *authz.Trace) *Step {
	step := &Step{
		Text: trace.String(), Operator: string(trace.Operator), Detail: trace.Detail,
		Missing: trace.Missing, Cached: trace.Cached, Duration: trace.Duration, Omitted: trace.Omitted,
	}
	if trace.Effect != authz.EffectUnknown {
		step.Effect = trace.Effect.String()
	}
	for _, within := range trace.Steps {
		step.Steps = append(step.Steps, stepOf(within))
	}

	return step
}

// each visits the queries of parts.
func each(parts []Part, visit func(*Query)) {
	for i := range parts {
		for j := range parts[i].Queries {
			visit(&parts[i].Queries[j])
		}
		each(parts[i].Parts, visit)
	}
}

// WithoutTraces removes the traces, for readers that can't take so much.
func (r *Result) WithoutTraces() {
	each(r.Parts, func(query *Query) {
		if query.Trace != nil {
			query.Trace, query.TraceError = nil, "left out: the result is too large"
		}
	})
}
