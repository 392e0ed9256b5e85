package authz_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// lines are the parts of a rule, each on a line.
func lines(parts []authz.Part, indent string) string {
	var text strings.Builder
	for _, part := range parts {
		fmt.Fprintf(&text, "%s%s %s", indent, part.Effect, part.Path)
		for _, checked := range part.Checks {
			text.WriteString(" [" + checked.Query.String() + " " + checked.Answer.Effect.String() + "]")
		}
		if part.Err != nil {
			text.WriteString(" because " + part.Err.Error())
		}
		text.WriteString("\n" + lines(part.Parts, indent+"  "))
	}

	return text.String()
}

func TestExplainTellsEachPart(t *testing.T) {
	const rule = `any_of: {
		conditions: {check: {object: "document:{text}" relation: "owner"}}
		conditions: {all_of: {
			conditions: {check: {object: "document:{text}" relation: "viewer"}}
			conditions: {has_scope: {scope: "admin"}}
			conditions: {has_role: {role: "editor"}}
			conditions: {match: {left: "{text}" right: "{$sub}"}}
		}}
		conditions: {in_group: {group: "staff"}}
	}`
	for name, c := range map[string]struct {
		rule    string
		caller  authz.Principal
		message *docsv1.Kinds
		want    string
		reason  authz.Reason
	}{
		"a grant: what can't change it isn't asked": {
			rule, &caller{issuer: "main", subject: "alice", groups: []string{"staff"}}, &docsv1.Kinds{Text: "1"},
			`allowed rule.any_of
  unknown rule.any_of.conditions[0].check
  denied rule.any_of.conditions[1].all_of
    unknown rule.any_of.conditions[1].all_of.conditions[0].check
    denied rule.any_of.conditions[1].all_of.conditions[1].has_scope because has_scope "admin": the token lacks it
    denied rule.any_of.conditions[1].all_of.conditions[2].has_role because has_role editor: the token lacks it
    denied rule.any_of.conditions[1].all_of.conditions[3].match because match: "{text}" is "1", "{$sub}" is "alice"
  allowed rule.any_of.conditions[2].in_group
`, "",
		},
		"a denial": {
			rule, user("alice"), &docsv1.Kinds{Text: "2"},
			`denied rule.any_of
  denied rule.any_of.conditions[0].check [document:2#owner@user:alice denied]
  denied rule.any_of.conditions[1].all_of
    unknown rule.any_of.conditions[1].all_of.conditions[0].check
    denied rule.any_of.conditions[1].all_of.conditions[1].has_scope because has_scope "admin": the token lacks it
    denied rule.any_of.conditions[1].all_of.conditions[2].has_role because has_role editor: the token lacks it
    denied rule.any_of.conditions[1].all_of.conditions[3].match because match: "{text}" is "2", "{$sub}" is "alice"
  denied rule.any_of.conditions[2].in_group because in_group staff: the token lacks it
`, authz.ReasonRelationDenied,
		},
		"everything that the token lacks": {
			`check: {object: "document:{text}" relation: "viewer"} access_token: {
				scopes: ["documents", "x", "y"] any_scope: ["p", "q"] acr_values: ["gold"] max_age: {seconds: 60} kinds: [KIND_USER]}`,
			user("alice"), &docsv1.Kinds{Text: "1"},
			`allowed rule.access_token.kinds
allowed rule.access_token.scopes[0]
denied rule.access_token.scopes[1] because authz: INSUFFICIENT_SCOPE
denied rule.access_token.scopes[2] because authz: INSUFFICIENT_SCOPE
denied rule.access_token.any_scope because authz: INSUFFICIENT_SCOPE
denied rule.access_token.acr_values because authz: STEP_UP_REQUIRED
denied rule.access_token.max_age because authz: STEP_UP_REQUIRED
unknown rule.check because the call was refused before this was decided
`, authz.ReasonInsufficientScope,
		},
		"a request that doesn't name its object": {
			`check: {object: "document:{text}" relation: "viewer"}`, user("alice"), &docsv1.Kinds{},
			"unknown rule.check because authz: OBJECT_MISSING (text): the request doesn't name its object\n", authz.ReasonObjectMissing,
		},
		"no message": {
			`check: {object: "document:{text}" relation: "viewer"}`, user("alice"), nil,
			"unknown rule.check because the call was refused before this was decided\n", authz.ReasonObjectMissing,
		},
		"no principal": {`authenticated: {}`, nil, nil, "", authz.ReasonTokenMissing},
		"public":       {`public: {reason: "all"}`, user("alice"), nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			method := one(t, newTuples("document:1#viewer@user:alice"), "M", written(t, c.rule))
			call := &authz.Call{Principal: c.caller}
			if c.message != nil {
				call.Message = c.message
			}
			decision, parts, err := method.Explain(t.Context(), call)
			if got := lines(parts, ""); got != c.want {
				t.Errorf("parts\n%swant\n%s", got, c.want)
			}
			if reasonOf(err) != c.reason || decision.Reason() != c.reason {
				t.Errorf("reason %q of %v, want %q", decision.Reason(), err, c.reason)
			}
			if again, err := method.Authorize(t.Context(), call); again.Allowed() != decision.Allowed() || reasonOf(err) != c.reason {
				t.Errorf("Authorize says %v", again)
			}
		})
	}
}

func TestTracesAreBounded(t *testing.T) {
	cyclic := &authz.Trace{Relation: "viewer", Object: authz.Object{Type: "document", ID: "1"}}
	cyclic.Steps = []*authz.Trace{nil, cyclic, cyclic}
	wide := &authz.Trace{Operator: authz.OperatorUnion}
	for range 5000 {
		wide.Steps = append(wide.Steps, &authz.Trace{Detail: "x"})
	}
	deep := &authz.Trace{}
	for range 100_000 {
		deep = &authz.Trace{Steps: []*authz.Trace{deep}}
	}
	loud := &authz.Trace{}
	for range 900 {
		loud.Steps = append(loud.Steps, &authz.Trace{Detail: strings.Repeat("é\n", 10_000), Missing: make([]string, 100)})
	}
	for name, trace := range map[string]*authz.Trace{"cyclic": cyclic, "wide": wide, "deep": deep, "loud": loud} {
		t.Run(name, func(t *testing.T) {
			nodes, bytes, depth, omitted := measure(trace.Bounded(), 1)
			if nodes > authz.MaxTraceNodes || bytes > authz.MaxTraceBytes+authz.MaxTraceText || depth > authz.MaxTraceDepth || omitted == 0 {
				t.Errorf("%d nodes, %d bytes, %d levels, %d omitted", nodes, bytes, depth, omitted)
			}
		})
	}
	if (*authz.Trace)(nil).Bounded() != nil {
		t.Error("nil isn't nil")
	}
}

func measure(trace *authz.Trace, level int) (nodes, bytes, depth, omitted int) {
	nodes, bytes, depth, omitted = 1, len(trace.Detail)+len(trace.Relation)+len(trace.Object.ID)+len(trace.Object.Type), level, trace.Omitted
	for _, step := range trace.Steps {
		n, b, d, o := measure(step, level+1)
		nodes, bytes, depth, omitted = nodes+n, bytes+b, max(depth, d), omitted+o
	}

	return nodes, bytes, depth, omitted
}

// explainer explains as a test says.
type explainer func() (authz.Explanation, error)

func (e explainer) Explain(context.Context, authz.Query, authz.Consistency) (authz.Explanation, error) {
	return e()
}

func TestExplainContainsEngines(t *testing.T) {
	query := authz.Query{Object: authz.Object{Type: "document", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "alice"}}
	cyclic := &authz.Trace{}
	cyclic.Steps = []*authz.Trace{cyclic}
	for name, c := range map[string]struct {
		engine any
		kind   authz.QueryKind
		effect authz.Effect
		fault  string
	}{
		"an engine that doesn't explain": {newTuples(query.String()), 0, authz.EffectAllowed, ""},
		"permissions":                    {ways{hangs, says(authz.EffectDenied), hangs}, authz.QueryPermission, authz.EffectDenied, ""},
		"attributes":                     {ways{hangs, hangs, says(authz.EffectDenied)}, authz.QueryAttributes, authz.EffectDenied, ""},
		"a kind that it doesn't answer":  {newTuples(), authz.QueryAttributes, 0, "the engine doesn't answer queries of this kind"},
		"an unknown kind":                {newTuples(), 99, 0, "the engine doesn't answer queries of this kind"},
		"no engine":                      {nil, 0, 0, "the engine doesn't answer queries of this kind"},
		"an engine that is down":         {authz.EngineFunc(fails), 0, 0, "down"},
		"no answer":                      {authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) { return authz.Result{}, nil }), 0, 0, "0 answers to one query"},
		"a panic":                        {explainer(func() (authz.Explanation, error) { panic("fake-secret") }), 0, 0, "panicked"},
		"an error that is none":          {explainer(func() (authz.Explanation, error) { return authz.Explanation{}, (*authz.EngineError)(nil) }), 0, 0, "engine unavailable"},
		"a trace that contains itself":   {explainer(func() (authz.Explanation, error) { return authz.Explanation{Trace: cyclic}, nil }), 0, 0, ""},
		"an answer that is any old error": {explainer(func() (authz.Explanation, error) {
			return authz.Explanation{Answer: authz.Answer{Err: errors.New("x")}}, nil
		}), 0, 0, "unavailable: x"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := query
			asked.Kind = c.kind
			explanation, err := authz.Explain(t.Context(), c.engine, asked, authz.Consistency{})
			if err == nil {
				err = explanation.Answer.Err
			}
			var fault *authz.EngineError
			switch {
			case c.fault == "" && (err != nil || explanation.Answer.Effect != c.effect):
				t.Errorf("%+v, %v", explanation, err)
			case c.fault != "" && (!errors.As(err, &fault) || !strings.Contains(err.Error(), c.fault) || strings.Contains(err.Error(), "fake-secret")):
				t.Errorf("error %v, want %q", err, c.fault)
			}
		})
	}
}
