package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// written is a rule as a .proto has it.
func written(tb testing.TB, text string) *authzv1.Rule {
	tb.Helper()
	rule := &authzv1.Rule{}
	if err := prototext.Unmarshal([]byte(text), rule); err != nil {
		tb.Fatal(err)
	}

	return rule
}

// ways is an engine of every kind of query: each kind has its own engine.
type ways struct{ relations, permissions, attributes authz.EngineFunc }

func (w ways) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return w.relations(ctx, batch)
}

func (w ways) CheckPermissions(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return w.permissions(ctx, batch)
}

func (w ways) EvaluateAttributes(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return w.attributes(ctx, batch)
}

// says answers each query with the effect.
func says(effect authz.Effect) authz.EngineFunc {
	return func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		answers := make([]authz.Answer, len(batch.Queries))
		for i := range answers {
			answers[i].Effect = effect
		}

		return authz.Result{Answers: answers}, nil
	}
}

// hangs answers nothing before its request ends.
func hangs(ctx context.Context, _ authz.Batch) (authz.Result, error) {
	<-ctx.Done()

	return authz.Result{}, ctx.Err()
}

// fails is an engine that is down.
func fails(context.Context, authz.Batch) (authz.Result, error) {
	return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable, Err: errors.New("down")}
}

// expressions compiles what a test says.
type expressions map[string]*expression

type expression struct {
	reads    authz.ExpressionReads
	evaluate func(in *authz.ExpressionInput) (bool, error)
	fault    error
}

func (e expressions) CompileExpression(text string, _ protoreflect.MessageDescriptor) (authz.Expression, error) {
	if e[text] == nil {
		return nil, nil //nolint:nilnil // what a faulty compiler returns
	}
	if e[text].fault != nil {
		return nil, e[text].fault
	}

	return e[text], nil
}

func (e *expression) Reads() authz.ExpressionReads { return e.reads }

func (e *expression) Evaluate(in *authz.ExpressionInput) (bool, error) { return e.evaluate(in) }

func TestFaultsOfTheWaysToDecide(t *testing.T) {
	relations := newTuples()
	both := ways{says(authz.EffectDenied), says(authz.EffectDenied), says(authz.EffectDenied)}
	words := expressions{
		"boom":    {fault: errors.Join(&authz.ExpressionError{Column: 3, Problem: "there is no field boom"}, &authz.ExpressionError{Column: -1, Problem: "it isn't boolean", Fix: "compare it"})},
		"claims":  {reads: authz.ExpressionReads{Caller: true, ClaimsOrSubject: true}},
		"message": {reads: authz.ExpressionReads{Message: true, Fields: []protoreflect.Name{"text"}}},
	}
	two := authz.Issuers{"main", "partner"}
	apart := authz.Subjects{Service: "service:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}"}
	for name, c := range map[string]struct {
		rule   string
		config authz.Config
		want   string // of the error's text; empty: the rule is right
	}{
		"a permission without a place to ask":      {`permission: {name: "documents.edit"}`, authz.Config{Engine: relations}, "neither Config.Permissions is set nor does the engine answer permissions; set authz.Config.Permissions"},
		"a permission without any engine":          {`permission: {name: "documents.edit"}`, authz.Config{}, "Config.Permissions"},
		"a permission that the engine answers":     {`permission: {name: "documents.edit"}`, authz.Config{Engine: both}, ""},
		"a permission that another server answers": {`permission: {name: "documents.edit"}`, authz.Config{Engine: relations, Permissions: both}, ""},
		"a permission of the token":                {`permission: {name: "documents.edit"}`, authz.Config{Permissions: authz.ClaimPermissions{}}, ""},
		"of the token, on an object":               {`permission: {name: "e" on: "organization:{text}"}`, authz.Config{Permissions: authz.ClaimPermissions{}}, "rule.permission.on: a permission of the caller's token"},
		"of the token, with context":               {`permission: {name: "e" context: {name: "a" value: "b"}}`, authz.Config{Permissions: authz.ClaimPermissions{}}, "rule.permission.context: a permission of the caller's token"},
		"of the token, of another subject":         {`permission: {name: "e" subject: "user:{text}"}`, authz.Config{Permissions: authz.ClaimPermissions{}}, "rule.permission.subject: a permission of the caller's token"},
		"of the token, with on_missing":            {`permission: {name: "e" on_missing: ON_MISSING_DENY}`, authz.Config{Permissions: authz.ClaimPermissions{}}, "rule.permission.on_missing: a permission of the caller's token"},
		"row 21a: of the tokens of two issuers":    {`permission: {name: "e"}`, authz.Config{Permissions: authz.ClaimPermissions{}, Issuers: two, Subjects: apart}, "a permission of two issuers may be equal, and several are admitted; name the issuers"},
		"of the tokens of two issuers, named":      {`permission: {name: "e"} access_token: {issuers: ["main", "partner"]}`, authz.Config{Permissions: authz.ClaimPermissions{}, Issuers: two, Subjects: apart}, ""},
		"a permission without a name":              {`permission: {}`, authz.Config{Engine: both}, "rule.permission.name: the permission is empty"},
		"a permission that is a pattern":           {`permission: {name: "documents.*"}`, authz.Config{Engine: both}, "rule.permission.name: column 10: the permission is one name, no pattern"},
		"a permission of a field":                  {`permission: {name: "{text}.edit"}`, authz.Config{Engine: both}, "column 0: the permission is literal: it reads no field"},
		"a role of a field":                        {`all_of: {conditions: {has_role: {role: "{text}"}}}`, authz.Config{}, "has_role.role: column 0: a role is literal"},
		"a permission with a space":                {`permission: {name: "a b"}`, authz.Config{Engine: both}, "column 1: the permission can't hold this character"},
		"a permission with a colon":                {`permission: {name: "documents:edit"}`, authz.Config{Engine: both}, ""},
		"a permission on a field that isn't there": {`permission: {name: "e" on: "o:{org}"}`, authz.Config{Engine: both}, "rule.permission.on: column 3: there is no field"},
		"on_missing without an object":             {`permission: {name: "e" on_missing: ON_MISSING_DENY}`, authz.Config{Engine: both}, "rule.permission.on_missing: the permission isn't on an object"},

		"attributes without a place to ask":     {`attributes: {action: "edit" resource: "document:{text}"}`, authz.Config{Engine: relations}, "neither Config.Attributes is set"},
		"attributes that the engine answers":    {`attributes: {action: "edit" resource: "document:{text}"}`, authz.Config{Engine: both}, ""},
		"attributes without a resource":         {`attributes: {action: "edit"}`, authz.Config{Engine: both}, "rule.attributes.resource: an object is empty"},
		"attributes without an action":          {`attributes: {resource: "document:{text}"}`, authz.Config{Engine: both}, "rule.attributes.action: the action is empty"},
		"a property that is given twice":        {`attributes: {action: "e" resource: "d:{text}" subject_properties: {name: "a" value: "b"} subject_properties: {name: "a" value: "c"}}`, authz.Config{Engine: both}, `rule.attributes.subject_properties[1].name: the name "a" is given twice`},
		"a property of a field that isn't":      {`attributes: {action: "e" resource: "d:{text}" resource_properties: {name: "a" value: "{nope}"}}`, authz.Config{Engine: both}, "rule.attributes.resource_properties[0].value: column 1: there is no field"},
		"a consistency that nothing can give":   {`attributes: {action: "e" resource: "d:{text}"} consistency: {mode: MODE_FULLY_CONSISTENT}`, authz.Config{Engine: both}, "the engine can't answer fully consistent"},
		"a property of a claim, of two issuers": {`attributes: {action: "e" resource: "d:{text}" subject_properties: {name: "a" value: "{$claim.a}"}}`, authz.Config{Engine: both, Issuers: two, Subjects: apart}, "must hold {$issuer}"},

		"a claim whose name is a URL":     {`all_of: {conditions: {has_claim: {path: "https://example.com/roles" any_of: "a"}}}`, authz.Config{}, "rule.all_of.conditions[0].has_claim.path: column 15: the claim's name has a dot"},
		"a role":                          {`all_of: {conditions: {has_role: {role: "admin"}}}`, authz.Config{}, ""},
		"row 21a: a role of two issuers":  {`all_of: {conditions: {has_role: {role: "admin"}}}`, authz.Config{Issuers: two, Subjects: apart}, "rule.all_of.conditions[0].has_role.role: a role of two issuers may be equal"},
		"row 21a: a group of two issuers": {`all_of: {conditions: {in_group: {group: "staff"}}}`, authz.Config{Issuers: two, Subjects: apart}, "rule.all_of.conditions[0].in_group.group: a group of two issuers may be equal"},
		"row 21a: a claim of two issuers": {`all_of: {conditions: {has_claim: {path: "tier" any_of: "gold"}}}`, authz.Config{Issuers: two, Subjects: apart}, "rule.all_of.conditions[0].has_claim: a claim of two issuers may be equal"},
		"a role of the one that is named": {`all_of: {conditions: {has_role: {role: "admin"}}} access_token: {issuers: "partner"}`, authz.Config{Issuers: two, Subjects: apart}, ""},
		"a role without a name":           {`all_of: {conditions: {has_role: {}}}`, authz.Config{}, "has_role.role: the role is empty"},
		"a role that is a pattern":        {`all_of: {conditions: {has_role: {role: "*"}}}`, authz.Config{}, "a role is compared whole"},
		"a group with a line break":       {`all_of: {conditions: {in_group: {group: "a\nb"}}}`, authz.Config{}, "column 1: a group can't hold a control character"},
		"a group with spaces and slashes": {`all_of: {conditions: {in_group: {group: "/Sales Europe"}}}`, authz.Config{}, ""},
		"a claim without a path":          {`all_of: {conditions: {has_claim: {any_of: "a"}}}`, authz.Config{}, "has_claim.path: the path is empty"},
		"a claim with an empty member":    {`all_of: {conditions: {has_claim: {path: "a..b" any_of: "a"}}}`, authz.Config{}, "has_claim.path: the claim's path has an empty member"},
		"a claim of no values":            {`all_of: {conditions: {has_claim: {path: "a"}}}`, authz.Config{}, "has_claim.any_of: no value is listed"},
		"a claim of an empty value":       {`all_of: {conditions: {has_claim: {path: "a" any_of: ["x", ""]}}}`, authz.Config{}, "has_claim.any_of[1]: the value is empty"},

		"row 70: an expression and no compiler":   {`expression: {cel: "claims"}`, authz.Config{}, "rule.expression.cel: the rule has an expression and nothing compiles it; set authz.Config.Expressions"},
		"row 70: an empty expression":             {`expression: {}`, authz.Config{Expressions: words}, "rule.expression.cel: the expression is empty"},
		"row 70: a long expression":               {`expression: {cel: "` + strings.Repeat("x", 4097) + `"}`, authz.Config{Expressions: words}, "longer than 4096 bytes"},
		"row 70: one that doesn't compile":        {`expression: {cel: "boom"}`, authz.Config{Expressions: words}, "rule.expression.cel: column 3: there is no field boom; correct the expression"},
		"row 70: both of its faults":              {`expression: {cel: "boom"}`, authz.Config{Expressions: words}, "rule.expression.cel: it isn't boolean; compare it"},
		"row 70: a compiler that returns nothing": {`expression: {cel: "nothing"}`, authz.Config{Expressions: words}, "neither an expression nor an error"},
		"row 21a: what two issuers may say":       {`expression: {cel: "claims"}`, authz.Config{Expressions: words, Issuers: two, Subjects: apart}, "a subject or a claim, which the expression reads, of two issuers may be equal"},
		"what two issuers may say, both named":    {`expression: {cel: "claims"} access_token: {issuers: ["main", "partner"]}`, authz.Config{Expressions: words, Issuers: two, Subjects: apart}, ""},
		"what one issuer may say":                 {`expression: {cel: "claims"}`, authz.Config{Expressions: words}, ""},
		"a first message that isn't held":         {`all_of: {conditions: {check: {object: "d:{text}" relation: "r"}} conditions: {expression: {cel: "message"}}} stream: {message_check: MESSAGE_CHECK_FIRST_MESSAGE}`, authz.Config{Engine: relations, Expressions: words}, "rule.stream.message_check: an expression of the rule reads the message"},
	} {
		t.Run(name, func(t *testing.T) {
			name := "M"
			if strings.Contains(c.rule, "stream:") {
				name = "StreamM"
			}
			c.config.Resolver = ruled(t, nil, map[string]*authzv1.Rule{name: written(t, c.rule)})
			err := newAuthorizer(t, c.config).Method("/t.S/" + name).Err()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v\nwant %q", err, c.want)
			}
			for _, fault := range ruleErrors(err) {
				if !strings.HasPrefix(fault.Path, "rule") && fault.Path != "" || fault.Fix == "" {
					t.Errorf("%+v has no place, or no fix", fault)
				}
			}
		})
	}
}

// fussy is an engine that can't be asked everything, and says so before it is asked.
type fussy struct{ ways }

func (fussy) ValidateQuery(q authz.Query) error {
	refuse := func(text string) error {
		return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New(text)}
	}
	switch {
	case q.Kind == authz.QueryPermission && q.Object == authz.Object{}:
		return refuse("a permission needs an object")
	case q.Kind == authz.QueryAttributes && q.Properties != nil && q.Properties.Action != nil:
		return refuse("actions have no properties")
	case q.Context["no"] != nil:
		return refuse("no context")
	case q.Subject.Type == "robot":
		return refuse("there are no robots")
	case q.Relation == "grammar":
		return &authz.EngineError{Kind: authz.EngineBadRequest, Err: errors.New("an id is too short")}
	default:
		return nil
	}
}

func TestWhatTheEngineCanNotBeAskedIsAFaultAtStart(t *testing.T) {
	for rule, want := range map[string]string{
		`check: {object: "d:{text}" relation: "r"}`:                                                                                              "",
		`check: {object: "d:{text}" relation: "r" subject: "robot:{text}"}`:                                                                      "the engine refuses check d:{text}#r@robot:{text}: ",
		`check: {object: "d:{text}" relation: "r" context: {name: "no" value: "{small}"}}`:                                                       "no context",
		`permission: {name: "p" on: "d:{text}"}`:                                                                                                 "",
		`permission: {name: "p"}`:                                                                                                                "a permission needs an object",
		`attributes: {action: "a" resource: "d:{text}" subject_properties: {name: "x" value: "{small}"}}`:                                        "",
		`attributes: {action: "a" resource: "d:{text}" action_properties: {name: "x" value: "{small}"}}`:                                         "actions have no properties",
		`check: {object: "d:{text}" relation: "grammar"}`:                                                                                        "", // of a call
		`any_of: {conditions: {has_role: {role: "r"}} conditions: {check: {object: "d:{text}" relation: "r" context: {name: "no" value: "1"}}}}`: "no context",
	} {
		t.Run(rule, func(t *testing.T) {
			authorizer := newAuthorizer(t, authz.Config{Engine: fussy{}, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": written(t, rule)})})
			err := authorizer.ValidateMethods("/t.S/M")
			if (err == nil) != (want == "") || want != "" && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// ruleErrors lists the joined faults of a rule.
func ruleErrors(err error) []*authz.RuleError {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var faults []*authz.RuleError
		for _, one := range several.Unwrap() {
			faults = append(faults, ruleErrors(one)...)
		}

		return faults
	}
	var fault *authz.RuleError
	if errors.As(err, &fault) {
		return []*authz.RuleError{fault}
	}

	return nil
}

func TestWhatEnginesAreAsked(t *testing.T) {
	type asked struct {
		rule string
		want []authz.Query
	}
	alice := authz.Subject{Type: "user", ID: "alice"}
	for name, c := range map[string]asked{
		"a permission": {`permission: {name: "documents:edit"}`, []authz.Query{
			{Kind: authz.QueryPermission, Relation: "documents:edit", Subject: alice},
		}},
		"a permission on an object, with context": {`permission: {name: "edit" on: "organization:{text}" context: {name: "n" value: "{small}"}}`, []authz.Query{
			{Kind: authz.QueryPermission, Relation: "edit", Object: authz.Object{Type: "organization", ID: "a"}, Subject: alice, Context: map[string]any{"n": int64(7)}},
		}},
		"a permission on several objects": {`permission: {name: "edit" on: "organization:{texts[]}"}`, []authz.Query{
			{Kind: authz.QueryPermission, Relation: "edit", Object: authz.Object{Type: "organization", ID: "x"}, Subject: alice},
			{Kind: authz.QueryPermission, Relation: "edit", Object: authz.Object{Type: "organization", ID: "y"}, Subject: alice},
		}},
		"a permission of another subject": {`permission: {name: "edit" subject: "team:{text}"}`, []authz.Query{
			{Kind: authz.QueryPermission, Relation: "edit", Subject: authz.Subject{Type: "team", ID: "a"}},
		}},
		"attributes": {`attributes: {
			action: "edit" resource: "document:{text}"
			resource_properties: {name: "owner" value: "{text}"} resource_properties: {name: "size" value: "{small}"}
			subject_properties: {name: "kind" value: "human"} action_properties: {name: "soft" value: "{flag}"}
			context: {name: "n" value: "{large}"}
		}`, []authz.Query{{
			Kind: authz.QueryAttributes, Relation: "edit", Object: authz.Object{Type: "document", ID: "a"}, Subject: alice,
			Context: map[string]any{"n": int64(0)}, Properties: &authz.Properties{
				Resource: map[string]any{"owner": "a", "size": int64(7)}, Subject: map[string]any{"kind": "human"}, Action: map[string]any{"soft": false},
			},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []authz.Query
			record := authz.EngineFunc(func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
				got = append(got, batch.Queries...)

				return says(authz.EffectAllowed)(ctx, batch)
			})
			method := one(t, ways{hangs, record, record}, "M", written(t, c.rule))
			decision, err := method.Authorize(t.Context(), &authz.Call{
				Principal: user("alice"), Message: &docsv1.Kinds{Text: "a", Small: 7, Texts: []string{"x", "y"}}, Explain: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprintf("%+v", jsonOf(t, got)) != fmt.Sprintf("%+v", jsonOf(t, c.want)) {
				t.Errorf("asked %s\nwant  %s", jsonOf(t, got), jsonOf(t, c.want))
			}
			if checks := decision.Checks(); len(checks) != len(c.want) || checks[0].Query.String() != c.want[0].String() {
				t.Errorf("the decision has %v", checks)
			}
		})
	}
}

func jsonOf(tb testing.TB, value any) string {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}

	return string(text)
}

// Row 69: a value that is missing is never left out where no server would say so.
func TestMissingValuesAreNotLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		want  authz.Reason // where a permission or attributes have it
		field string
		cause string
	}{
		"a field that isn't set":   {"{optional_large}", authz.ReasonObjectMissing, "optional_large", "leaves out"},
		"within what isn't set":    {"{item.number}", authz.ReasonObjectMissing, "item.number", "leaves out"},
		"an empty text":            {"{text}", authz.ReasonObjectMissing, "text", "leaves out"},
		"a zero":                   {"{large}", "", "", ""},
		"a claim that isn't there": {"{$claim.tier}", authz.ReasonSubjectInvalid, "", `the token has no claim "tier"`},
		"an address not known":     {"{$peer.ip}", authz.ReasonSubjectInvalid, "", "the caller's address isn't known"},
	} {
		for place, rule := range map[string]string{
			"context of a check":      `check: {object: "d:1" relation: "r" context: {name: "n" value: "VALUE"}}`,
			"context of a permission": `permission: {name: "p" context: {name: "n" value: "VALUE"}}`,
			"context of attributes":   `attributes: {action: "a" resource: "d:1" context: {name: "n" value: "VALUE"}}`,
			"property of a subject":   `attributes: {action: "a" resource: "d:1" subject_properties: {name: "n" value: "VALUE"}}`,
			"property of a resource":  `attributes: {action: "a" resource: "d:1" resource_properties: {name: "n" value: "VALUE"}}`,
			"property of an action":   `attributes: {action: "a" resource: "d:1" action_properties: {name: "n" value: "VALUE"}}`,
			"with on_missing":         `attributes: {action: "a" resource: "d:1" context: {name: "n" value: "VALUE"} on_missing: ON_MISSING_DENY}`,
		} {
			t.Run("row 69: "+name+" in a "+place, func(t *testing.T) {
				asked := 0
				count := authz.EngineFunc(func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
					asked++

					return says(authz.EffectAllowed)(ctx, batch)
				})
				method := one(t, ways{count, count, count}, "M", written(t, strings.ReplaceAll(rule, "VALUE", c.value)))
				decision, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{}})
				want := c.want
				if place == "context of a check" {
					want = ""
				}
				if reasonOf(err) != want || (asked == 1) != (want == "") {
					t.Fatalf("%v after %d requests, want %q", err, asked, want)
				}
				var refused *authz.Error
				if want != "" && (!errors.As(err, &refused) || refused.Field != c.field || !strings.Contains(decision.Err().Error(), c.cause)) {
					t.Errorf("%v of field %q, want %q and %q", decision.Err(), refused.Field, c.field, c.cause)
				}
			})
		}
	}
}

// An answer is about one kind of query, one set of properties and one context, also in
// the cache and among the requests in flight.
func TestAnswersOfOneWayAreNoneOfAnother(t *testing.T) {
	rules := map[string]*authzv1.Rule{
		"Relation":      written(t, `check: {object: "d:{text}" relation: "edit"}`),
		"Permission":    written(t, `permission: {name: "edit" on: "d:{text}"}`),
		"Attributes":    written(t, `attributes: {action: "edit" resource: "d:{text}"}`),
		"WithContext":   written(t, `attributes: {action: "edit" resource: "d:{text}" context: {name: "a" value: "b"}}`),
		"WithSubject":   written(t, `attributes: {action: "edit" resource: "d:{text}" subject_properties: {name: "a" value: "b"}}`),
		"WithAction":    written(t, `attributes: {action: "edit" resource: "d:{text}" action_properties: {name: "a" value: "b"}}`),
		"WithResource":  written(t, `attributes: {action: "edit" resource: "d:{text}" resource_properties: {name: "a" value: "b"}}`),
		"WithResources": written(t, `attributes: {action: "edit" resource: "d:{text}" resource_properties: {name: "a" value: "b"} resource_properties: {name: "c" value: "d"}}`),
		"NoObject":      written(t, `permission: {name: "edit"}`),
	}
	for allowed := range rules {
		t.Run("only "+allowed, func(t *testing.T) {
			answer := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
				answers := make([]authz.Answer, len(batch.Queries))
				for i, q := range batch.Queries {
					answers[i].Effect = authz.EffectDenied
					if shapeOf(q) == allowed {
						answers[i].Effect = authz.EffectAllowed
					}
				}

				return authz.Result{Answers: answers}, nil
			})
			authorizer := newAuthorizer(t, authz.Config{
				Engine: ways{answer, answer, answer}, Cache: authz.CacheConfig{Size: 100, TTL: time.Hour, DeniedTTL: time.Hour}, Resolver: ruled(t, nil, rules),
			})
			for range 2 {
				for name := range rules {
					_, err := authorizer.Authorize(t.Context(), "/t.S/"+name, user("alice"), &docsv1.Kinds{Text: "1"})
					if got := err == nil; got != (name == allowed) {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		})
	}
}

// shapeOf names the rule that a query is of.
func shapeOf(q authz.Query) string {
	p := q.Properties
	switch {
	case q.Kind == authz.QueryRelation:
		return "Relation"
	case q.Kind == authz.QueryPermission && q.Object == authz.Object{}:
		return "NoObject"
	case q.Kind == authz.QueryPermission:
		return "Permission"
	case q.Context != nil:
		return "WithContext"
	case p == nil:
		return "Attributes"
	case p.Subject != nil:
		return "WithSubject"
	case p.Action != nil:
		return "WithAction"
	case len(p.Resource) == 1:
		return "WithResource"
	default:
		return "WithResources"
	}
}

// Row 61: a server that is slow, or down, keeps no decision that doesn't need it.
func TestOneEngineDoesntHoldAnothersDecision(t *testing.T) {
	const both = `{conditions: {check: {object: "d:{text}" relation: "r"}} conditions: {permission: {name: "p"}} conditions: {attributes: {action: "a" resource: "d:{text}"}}}`
	allowed, denied := says(authz.EffectAllowed), says(authz.EffectDenied)
	for name, c := range map[string]struct {
		rule   string
		engine ways
		want   authz.Reason
		waits  time.Duration
	}{
		"a grant beside one that hangs":         {"any_of: " + both, ways{allowed, hangs, hangs}, "", 0},
		"a permission beside one that hangs":    {"any_of: " + both, ways{hangs, allowed, hangs}, "", 0},
		"attributes beside one that hangs":      {"any_of: " + both, ways{hangs, hangs, allowed}, "", 0},
		"a denial beside one that hangs":        {"all_of: " + both, ways{denied, hangs, hangs}, authz.ReasonRelationDenied, 0},
		"a permission denied, and one hangs":    {"all_of: " + both, ways{hangs, denied, allowed}, authz.ReasonRelationDenied, 0},
		"a grant that needs the one that hangs": {"all_of: " + both, ways{allowed, allowed, hangs}, authz.ReasonEngineUnavailable, 3 * time.Second},
		"one down, the others deny":             {"any_of: " + both, ways{denied, denied, fails}, authz.ReasonEngineUnavailable, 0},
		"one down, another grants":              {"any_of: " + both, ways{fails, allowed, denied}, "", 0},
		"one down, and all are needed":          {"all_of: " + both, ways{allowed, fails, allowed}, authz.ReasonEngineUnavailable, 0},
		"one down, another denies":              {"all_of: " + both, ways{fails, allowed, denied}, authz.ReasonRelationDenied, 0},
	} {
		t.Run("row 61: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				method := one(t, c.engine, "M", written(t, c.rule))
				began := time.Now()
				_, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{Text: "1"}})
				if waited := time.Since(began); reasonOf(err) != c.want || waited != c.waits {
					t.Errorf("%v after %v, want %q after %v", err, waited, c.want, c.waits)
				}
				time.Sleep(5 * time.Second) // until no request is under way
			})
		})
	}
}

// quickWays is an engine that may be asked in the call's goroutine.
type quickWays struct{ ways }

func (quickWays) HonorsContext() bool { return true }

// Row 61: a call that asks two engines waits in neither of them.
func TestQuickEngineThatHangsDoesntHoldAnothersDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := false
		permissions := authz.EngineFunc(func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
			if hanging {
				return hangs(ctx, batch)
			}

			return says(authz.EffectAllowed)(ctx, batch)
		})
		method := one(t, quickWays{ways{says(authz.EffectAllowed), permissions, fails}}, "M",
			written(t, `any_of: {conditions: {permission: {name: "p"}} conditions: {check: {object: "d:{text}" relation: "r"}}}`))
		for i := range 20 {
			hanging = i >= 10
			began := time.Now()
			_, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{Text: fmt.Sprint(i)}})
			if waited := time.Since(began); err != nil || waited != 0 {
				t.Fatalf("call %d: %v after %v", i, err, waited)
			}
			synctest.Wait()
		}
		time.Sleep(5 * time.Second) // until no request is under way
	})
}

// Row 61: the breaker of one kind of query opens for that kind alone.
func TestBreakersOfKindsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changed []authz.BreakerChanged
		authorizer := newAuthorizer(t, authz.Config{
			Engine:   ways{says(authz.EffectAllowed), fails, says(authz.EffectAllowed)},
			Observer: authz.Observer{BreakerChanged: func(e authz.BreakerChanged) { changed = append(changed, e) }},
			Resolver: ruled(t, nil, map[string]*authzv1.Rule{
				"R": written(t, `check: {object: "d:{text}" relation: "r"}`), "P": written(t, `permission: {name: "p" on: "d:{text}"}`),
				"A": written(t, `attributes: {action: "a" resource: "d:{text}"}`),
			}),
		})
		for i := range 30 {
			for method, want := range map[string]authz.Reason{"R": "", "P": authz.ReasonEngineUnavailable, "A": ""} {
				_, err := authorizer.Authorize(t.Context(), "/t.S/"+method, user(fmt.Sprint("u", i)), &docsv1.Kinds{Text: fmt.Sprint(i)})
				if reasonOf(err) != want {
					t.Fatalf("call %d of %s: %v", i, method, err)
				}
			}
		}
		if want := []authz.BreakerChanged{{Kind: authz.QueryPermission, Open: true}}; !slices.Equal(changed, want) {
			t.Errorf("told %v, want %v", changed, want)
		}
	})
}

func TestConditionsOnTheToken(t *testing.T) {
	caller := user("alice")
	caller.roles, caller.groups, caller.permissions = []string{"editor"}, []string{"/Sales Europe"}, []string{"documents:edit", "*"}
	caller.claims = map[string]any{
		"tier": "gold", "level": json.Number("3"), "ratio": json.Number("1.50"), "beta": true, "nothing": nil,
		"tags": []any{"a", json.Number("7"), []any{"nested"}, map[string]any{"b": "c"}}, "realm_access": map[string]any{"tier": "silver"},
	}
	for rule, want := range map[string]bool{
		`permission: {name: "documents:edit"}`:                                                             true,
		`permission: {name: "documents:delete"}`:                                                           false, // "*" is no pattern
		`permission: {name: "documents"}`:                                                                  false,
		`all_of: {conditions: {has_role: {role: "editor"}}}`:                                               true,
		`all_of: {conditions: {has_role: {role: "Editor"}}}`:                                               false,
		`all_of: {conditions: {has_role: {role: "edit"}}}`:                                                 false,
		`all_of: {conditions: {in_group: {group: "/Sales Europe"}}}`:                                       true,
		`all_of: {conditions: {in_group: {group: "/Sales"}}}`:                                              false,
		`all_of: {conditions: {has_claim: {path: "tier" any_of: ["silver", "gold"]}}}`:                     true,
		`all_of: {conditions: {has_claim: {path: "tier" any_of: "gol"}}}`:                                  false,
		`all_of: {conditions: {has_claim: {path: "level" any_of: "3"}}}`:                                   true,
		`all_of: {conditions: {has_claim: {path: "level" any_of: "3.0"}}}`:                                 false,
		`all_of: {conditions: {has_claim: {path: "ratio" any_of: "1.50"}}}`:                                true,
		`all_of: {conditions: {has_claim: {path: "beta" any_of: "true"}}}`:                                 true,
		`all_of: {conditions: {has_claim: {path: "beta" any_of: "false"}}}`:                                false,
		`all_of: {conditions: {has_claim: {path: "nothing" any_of: ["null", "<nil>"]}}}`:                   false,
		`all_of: {conditions: {has_claim: {path: "tags" any_of: "a"}}}`:                                    true,
		`all_of: {conditions: {has_claim: {path: "tags" any_of: "7"}}}`:                                    true,
		`all_of: {conditions: {has_claim: {path: "tags" any_of: "nested"}}}`:                               false,
		`all_of: {conditions: {has_claim: {path: "tags" any_of: ["b", "c"]}}}`:                             false,
		`all_of: {conditions: {has_claim: {path: "realm_access.tier" any_of: "silver"}}}`:                  true,
		`all_of: {conditions: {has_claim: {path: "realm_access" any_of: "silver"}}}`:                       false,
		`all_of: {conditions: {has_claim: {path: "absent" any_of: ["", "x"]}}}`:                            false,
		`any_of: {conditions: {has_role: {role: "x"}} conditions: {permission: {name: "documents:edit"}}}`: true,
		`all_of: {conditions: {has_role: {role: "x"}} conditions: {permission: {name: "documents:edit"}}}`: false,
	} {
		t.Run(rule, func(t *testing.T) {
			authorizer := newAuthorizer(t, authz.Config{Permissions: authz.ClaimPermissions{}, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": written(t, rule)})})
			if err := authorizer.ValidateMethods("/t.S/M"); err != nil {
				if strings.Contains(rule, `""`) {
					return // an empty value is a fault
				}
				t.Fatal(err)
			}
			// None of these needs the message.
			decision, err := authorizer.Authorize(t.Context(), "/t.S/M", caller, nil)
			if (err == nil) != want || !want && reasonOf(err) != authz.ReasonRelationDenied {
				t.Errorf("got %v, want %v", err, want)
			}
			if !want && !strings.Contains(decision.Err().Error(), "the token lacks it") {
				t.Errorf("the cause is %v", decision.Err())
			}
		})
	}
}

func TestExpressions(t *testing.T) {
	secret := errors.New("no such key")
	message := authz.ExpressionReads{Message: true, Fields: []protoreflect.Name{"small"}}
	words := expressions{
		"small": {reads: message, evaluate: func(in *authz.ExpressionInput) (bool, error) { return in.Message.(*docsv1.Kinds).GetSmall() < 10, nil }},
		"caller": {evaluate: func(in *authz.ExpressionInput) (bool, error) {
			return in.Principal.Subject() == "alice" && in.Message == nil, nil
		}},
		"error": {evaluate: func(*authz.ExpressionInput) (bool, error) { return true, secret }},
		"panic": {evaluate: func(*authz.ExpressionInput) (bool, error) { panic("token") }},
		"time":  {reads: authz.ExpressionReads{Now: true}, evaluate: func(in *authz.ExpressionInput) (bool, error) { return in.Now().Year() == 2000, nil }},
	}
	for name, c := range map[string]struct {
		rule  string
		small int32
		want  authz.Reason
		cause string
	}{
		"true":                             {`expression: {cel: "small"}`, 9, "", ""},
		"false":                            {`expression: {cel: "small"}`, 10, authz.ReasonRelationDenied, `expression "small" is false`},
		"of the caller":                    {`expression: {cel: "caller"}`, 0, "", ""},
		"of the time":                      {`expression: {cel: "time"}`, 0, "", ""},
		"row 70: that fails":               {`expression: {cel: "error"}`, 0, authz.ReasonRelationDenied, `expression "error": no such key`},
		"row 70: that panics":              {`expression: {cel: "panic"}`, 0, authz.ReasonRelationDenied, `expression "panic": it panicked`},
		"row 70: that fails, or another":   {`any_of: {conditions: {expression: {cel: "error"}} conditions: {expression: {cel: "small"}}}`, 9, "", ""},
		"row 70: that fails, and no other": {`any_of: {conditions: {expression: {cel: "error"}} conditions: {expression: {cel: "small"}}}`, 10, authz.ReasonRelationDenied, "no such key"},
		"row 70: that fails, and another":  {`all_of: {conditions: {expression: {cel: "error"}} conditions: {expression: {cel: "small"}}}`, 9, authz.ReasonRelationDenied, "no such key"},
	} {
		t.Run(name, func(t *testing.T) {
			authorizer := newAuthorizer(t, authz.Config{
				Expressions: words, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": written(t, c.rule)}),
				Now: func() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) },
			})
			if err := authorizer.ValidateMethods("/t.S/M"); err != nil {
				t.Fatal(err)
			}
			decision, err := authorizer.Authorize(t.Context(), "/t.S/M", user("alice"), &docsv1.Kinds{Small: c.small})
			if reasonOf(err) != c.want || c.want != "" && !strings.Contains(decision.Err().Error(), c.cause) {
				t.Errorf("got %v, want %q with %q", err, c.want, c.cause)
			}
			if c.cause != "" && strings.Contains(c.cause, "no such key") && !errors.Is(decision.Err(), secret) {
				t.Errorf("the cause isn't the expression's error: %v", decision.Err())
			}
		})
	}
}

// A stream remembers what its expressions read: a message with another value is another
// question, and a recheck asks about the values that were granted.
func TestExpressionsOnStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := int32(10)
		var asked atomic.Int64 // a recheck asks about several at once
		words := expressions{"small": {
			reads: authz.ExpressionReads{Message: true, Fields: []protoreflect.Name{"small", "items"}},
			evaluate: func(in *authz.ExpressionInput) (bool, error) {
				asked.Add(1)

				return in.Message.(*docsv1.Kinds).GetSmall() < limit && len(in.Message.(*docsv1.Kinds).GetItems()) == 1, nil
			},
		}}
		authorizer := newAuthorizer(t, authz.Config{
			Expressions: words, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"StreamM": written(t, `expression: {cel: "small"} stream: {recheck_interval: {seconds: 5}}`)}),
		})
		method := authorizer.Method("/t.S/StreamM")
		if err := method.Err(); err != nil {
			t.Fatal(err)
		}
		stream := method.NewStream()
		say := func(small int32) error {
			_, err := stream.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{Small: small, Text: "much else", Items: []*docsv1.Item{{Id: "1"}}}})

			return err
		}
		for _, step := range []struct {
			small int32
			want  authz.Reason
			asked int64
		}{{3, "", 1}, {3, "", 1}, {4, "", 2}, {10, authz.ReasonRelationDenied, 3}} {
			if err := say(step.small); reasonOf(err) != step.want || asked.Load() != step.asked {
				t.Fatalf("small %d: %v after %d, want %q after %d", step.small, err, asked.Load(), step.want, step.asked)
			}
		}
		if _, err := stream.Recheck(t.Context(), &authz.Call{Principal: user("alice")}); err != nil || asked.Load() != 5 {
			t.Fatalf("recheck: %v after %d", err, asked.Load())
		}
		limit = 4
		if _, err := stream.Recheck(t.Context(), &authz.Call{Principal: user("alice")}); reasonOf(err) != authz.ReasonRelationDenied {
			t.Errorf("recheck after a change: %v", err)
		}
	})
}

// What an engine adds to its answer is for hooks alone.
func TestContextOfAnswersIsForHooksAlone(t *testing.T) {
	const hidden = "the reason is secret"
	var told map[string]any
	answers := authz.EngineFunc(func(context.Context, authz.Batch) (authz.Result, error) {
		return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectDenied, Context: map[string]any{"reason": hidden}}}}, nil
	})
	authorizer := newAuthorizer(t, authz.Config{
		Engine: ways{answers, answers, answers}, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": written(t, `attributes: {action: "a" resource: "d:{text}"}`)}),
		Observer: authz.Observer{Decided: func(_ context.Context, d *authz.Decision) { told = d.Checks()[0].Answer.Context }},
	})
	decision, err := authorizer.Authorize(t.Context(), "/t.S/M", user("alice"), &docsv1.Kinds{Text: "1"})
	if reasonOf(err) != authz.ReasonRelationDenied || told["reason"] != hidden {
		t.Errorf("%v, told %v", err, told)
	}
	for _, text := range []string{err.Error(), decision.String(), decision.LogValue().String(), decision.Err().Error()} {
		if strings.Contains(text, hidden) {
			t.Errorf("%q shows it", text)
		}
	}
}
