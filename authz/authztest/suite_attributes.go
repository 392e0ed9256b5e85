package authztest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/usher-auth/usher/authz"
)

// AttributeSuite is what every [authz.AttributeEngine] must pass; see
// [AttributeSuite.Run].
type AttributeSuite struct {
	// New returns the adapter over a server that decides as [SuitePolicy] of the tuples
	// does. It is called for each case. Subjects are of the types user and service, and
	// resources of the type document. Required.
	New func(tb testing.TB, tuples ...Tuple) authz.AttributeEngine
	// Hanging returns the adapter over a server that takes requests and never answers.
	// Optional: without it cancellation is tested before a request only.
	Hanging func(tb testing.TB) authz.AttributeEngine
	// Limit is the server's own batch limit, around which batches are sized. Optional.
	// Default 50.
	Limit int
	// Lacks names what the engine's protocol can't express.
	Lacks AttributeLacks
	// Ignores names what the policies of the adapter's server can't read. The cases for
	// it are left out.
	Ignores AttributeIgnores
}

// AttributeIgnores names what an adapter sends and its server's policies can't read.
type AttributeIgnores struct {
	// Context and ActionProperties are set if the policies can't read those.
	Context, ActionProperties bool
}

// AttributeLacks names what an engine can't express. A query that needs it must be
// refused as EngineMisconfigured, by ValidateQuery, too, if the engine has it.
type AttributeLacks struct {
	// SubjectProperties and ActionProperties are set if the subject or the action has
	// none.
	SubjectProperties, ActionProperties bool
}

// The conditions of the suite's policy, beside onNetwork.
const (
	described = "described"
	bySubject = "by_subject"
	byAction  = "by_action"
)

// The names of the cases that may be left out.
const (
	contextCase = "context"
	actionCase  = "properties of the action"
)

// describedProperties are the resource properties that the condition described
// requires, one of each type.
func describedProperties() map[string]any {
	return map[string]any{
		"text": "a,b", "count": int64(-7), "ratio": 0.5, "open": true, "tags": []any{"x", "y"},
		"at": "2026-01-02T03:04:05Z", "large": int64(1) << 60, "size": uint64(1) << 62,
	}
}

// SuitePolicy returns the policy that a server of [AttributeSuite] has. It allows what
// a tuple says: its subject, the action that is its relation and the resource that is
// its object, if the tuple's condition, if any, holds:
//
//	on_network   the context has trusted, true
//	by_subject   the subject has department, "engineering"
//	by_action    the action has dry_run, true
//	described    the resource has text "a,b", count -7, ratio 0.5, open true,
//	             tags ["x", "y"], the time at, 2026-01-02T03:04:05Z, and the
//	             integers large, 2^60, and size, 2^62, as decimal strings
//
// An adapter writes integers beyond ±2^53 as decimal strings, since JSON numbers lose
// their digits.
func SuitePolicy(tuples ...Tuple) Policy {
	return func(q authz.Query) authz.Answer {
		for _, tuple := range tuples {
			if tuple.Object == q.Object && tuple.Relation == q.Relation && tuple.Subject == q.Subject && holds(tuple.Condition, q) {
				return authz.Answer{Effect: authz.EffectAllowed}
			}
		}

		return authz.Answer{Effect: authz.EffectDenied}
	}
}

func holds(condition string, q authz.Query) bool {
	properties := q.Properties
	if properties == nil {
		properties = &authz.Properties{}
	}
	switch condition {
	case "":
		return true
	case onNetwork:
		return q.Context[trusted] == true
	case bySubject:
		return properties.Subject["department"] == "engineering"
	case byAction:
		return properties.Action["dry_run"] == true
	case described:
		for name, want := range describedProperties() {
			if !same(properties.Resource[name], want) {
				return false
			}
		}

		return true
	default:
		return false
	}
}

// same reports whether a value is the wanted one, as it is in a query or as JSON has
// it.
func same(got, want any) bool {
	switch want := want.(type) {
	case int64, uint64, float64:
		text := fmt.Sprint(want)
		switch got := got.(type) {
		case json.Number:
			return len(text) < 16 && got.String() == text
		case string:
			return len(text) >= 16 && got == text
		default:
			return got == want
		}
	default:
		return reflect.DeepEqual(got, want)
	}
}

// Run runs every case as a subtest of at most 30 s.
func (s AttributeSuite) Run(t *testing.T) {
	t.Helper()
	if s.New == nil {
		t.Fatal("authztest: AttributeSuite.New is required")
	}
	common := kindSuite{
		kind: authz.QueryAttributes, limit: s.Limit,
		open: func(tb testing.TB, tuples ...Tuple) (asker, any) {
			tb.Helper()
			engine := s.New(tb, tuples...)
			if isNil(engine) {
				return nil, nil
			}

			return engine.EvaluateAttributes, engine
		},
	}
	if s.Hanging != nil {
		common.hanging = func(tb testing.TB) asker { tb.Helper(); return s.Hanging(tb).EvaluateAttributes }
	}
	common.run(t, kindCases(), slices.DeleteFunc(attributeCases(s.Lacks), func(c kindCase) bool {
		return s.Ignores.Context && c.name == contextCase || s.Ignores.ActionProperties && c.name == actionCase
	}))
}

func attributeCases(lacks AttributeLacks) []kindCase {
	return []kindCase{
		{contextCase, func(t *testing.T, f *kindFixture) {
			f.with(t, "document:1#view@user:alice["+onNetwork+"]")
			q := f.query("document:1#view@user:alice")
			with := func(value any) authz.Query { q.Context = map[string]any{trusted: value}; return q }
			f.expect(t, []bool{true, false, true, false}, with(true), with(false), with(true), with(false))
			f.unlike(t, q, with("true"), with(int64(1)), with(nil), with([]any{true}))
		}},
		{"properties of the subject", func(t *testing.T, f *kindFixture) {
			f.property(t, bySubject, lacks.SubjectProperties, "engineering", "sales", func(value any) *authz.Properties {
				return &authz.Properties{Subject: map[string]any{"department": value}}
			})
		}},
		{actionCase, func(t *testing.T, f *kindFixture) {
			f.property(t, byAction, lacks.ActionProperties, true, false, func(value any) *authz.Properties {
				return &authz.Properties{Action: map[string]any{"dry_run": value}}
			})
		}},
		{"properties of every type", everyType},
	}
}

// property requires that one property decides, also where queries that differ in it
// alone share a batch.
func (f *kindFixture) property(t *testing.T, condition string, lacking bool, right, wrong any, properties func(any) *authz.Properties) {
	t.Helper()
	f.with(t, "document:1#view@user:alice["+condition+"]")
	with := func(value any, subject string) authz.Query {
		q := f.query("document:1#view@user:" + subject)
		q.Properties = properties(value)

		return q
	}
	if lacking {
		f.misconfigured(t, with(right, "alice"))

		return
	}
	f.expect(t, []bool{false, true, false, true},
		with(wrong, "alice"), with(right, "alice"), with(wrong, "alice"), with(right, "alice"))
	f.never(t, with(right, "bob"))
	f.unlike(t, with(right, "alice"), with(int64(1), "alice"), with([]any{right}, "alice"), with(nil, "alice"))
}

// unlike requires that none of the queries, nor the first one without properties and
// context, is allowed. A server may report what they lack as an error of any kind.
func (f *kindFixture) unlike(t *testing.T, bare authz.Query, queries ...authz.Query) {
	t.Helper()
	bare.Context, bare.Properties = nil, nil
	for _, q := range append(queries, bare) {
		if answer := f.one(t, q); answer.Err == nil && answer.Effect == authz.EffectAllowed {
			t.Errorf("%s with %v and %+v is allowed", q, q.Context, q.Properties)
		}
	}
}

// everyType requires that properties of each type arrive as they are: one of them that
// is another value, is of another type or is missing, isn't allowed.
func everyType(t *testing.T, f *kindFixture) {
	f.with(t, "document:1#view@user:alice["+described+"]")
	with := func(properties map[string]any) authz.Query {
		q := f.query("document:1#view@user:alice")
		q.Properties = &authz.Properties{Resource: properties}

		return q
	}
	f.expect(t, []bool{true, true}, with(describedProperties()), with(describedProperties()))
	for name, values := range map[string][]any{
		"text":  {"a", true, int64(1)},
		"count": {int64(7), -7.5, "seven"},
		"ratio": {0.25, "half", true},
		"open":  {false, "true", int64(1)},
		"tags":  {[]any{"x"}, []any{"y", "x"}, []any{}, "x", []any{"x", true}},
		"at":    {"2026-01-02T03:04:06Z", "yesterday", true},
		"large": {int64(1)<<60 + 1, int64(7), true},
		"size":  {uint64(1)<<62 + 1, uint64(7), true},
	} {
		for _, value := range values {
			properties := describedProperties()
			properties[name] = value
			f.unlike(t, with(properties), with(properties))
		}
		properties := maps.Clone(describedProperties())
		delete(properties, name)
		f.unlike(t, with(properties), with(properties))
	}
}
