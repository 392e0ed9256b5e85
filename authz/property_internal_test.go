package authz

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const propertyCases = 100_000

// truth is what the naive evaluator knows. The zero value is no truth at all.
type truth uint8

const (
	no truth = iota + 1
	yes
	// unknown is an engine without an answer.
	unknown
	// broken is a fault of the operator that the engine reports.
	broken
	// refusedCall is a request that is at fault, by the rule or by the engine.
	refusedCall
	// open is what only the engine can say.
	open
)

func (t truth) String() string {
	return [...]string{"nothing", "denied", "allowed", "unavailable", "misconfigured", "refused", "open"}[t]
}

// world is one random case: what the engine would say, and what the caller has.
type world struct {
	random  *rand.Rand
	serial  int
	answers map[string]Answer
	scopes  map[string]bool
}

var (
	errDown   = &EngineError{Kind: EngineUnavailable, Err: errors.New("down")}
	errOdd    = &EngineError{Kind: EngineBadRequest, Err: errors.New("odd id")}
	errBroken = &EngineError{Kind: EngineMisconfigured, Err: errors.New("no such relation")}
)

// asked returns a condition of any kind that an engine decides.
func (w *world) asked() *authzv1.Condition {
	check := w.check()
	switch w.random.IntN(3) {
	case 0:
		return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: check}}
	case 1:
		permission := &authzv1.Permission{Name: "documents:view", On: check.GetObject(), OnMissing: check.GetOnMissing()}

		return &authzv1.Condition{Condition: &authzv1.Condition_Permission{Permission: permission}}
	default:
		attributes := &authzv1.Attributes{Action: "view", Resource: check.GetObject(), OnMissing: check.GetOnMissing()}

		return &authzv1.Condition{Condition: &authzv1.Condition_Attributes{Attributes: attributes}}
	}
}

// held returns a condition that the server decides by itself.
func (w *world) held() *authzv1.Condition {
	name := []string{"a", "b"}[w.random.IntN(2)]
	switch w.random.IntN(5) {
	case 0:
		return &authzv1.Condition{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: name}}}
	case 1:
		return &authzv1.Condition{Condition: &authzv1.Condition_HasRole{HasRole: &authzv1.HasRole{Role: name}}}
	case 2:
		return &authzv1.Condition{Condition: &authzv1.Condition_InGroup{InGroup: &authzv1.InGroup{Group: name}}}
	case 3:
		return &authzv1.Condition{Condition: &authzv1.Condition_HasClaim{HasClaim: &authzv1.HasClaim{Path: "tier", AnyOf: []string{name, "c"}}}}
	default:
		text := []string{"true", "false", "error", "panic"}[w.random.IntN(4)]

		return &authzv1.Condition{Condition: &authzv1.Condition_Expression{Expression: &authzv1.Expression{Cel: text}}}
	}
}

// words compiles expressions that are one word: what their value is.
type words struct{ word string }

func (words) CompileExpression(text string, _ protoreflect.MessageDescriptor) (Expression, error) {
	return words{text}, nil
}

func (words) Reads() ExpressionReads { return ExpressionReads{} }

func (w words) Evaluate(*ExpressionInput) (bool, error) {
	switch w.word {
	case "error":
		return true, errors.New("it can't be evaluated")
	case "panic":
		panic("an expression")
	default:
		return w.word == "true", nil
	}
}

func (w *world) check() *authzv1.Check {
	id := fmt.Sprintf("%d-%d", w.serial, w.random.IntN(5))
	if _, known := w.answers[id]; !known {
		w.answers[id] = []Answer{
			{Effect: EffectAllowed},
			{Effect: EffectAllowed},
			{Effect: EffectDenied},
			{Effect: EffectUnknown},
			{Effect: EffectConditional, Missing: []string{"x"}},
			{Err: errDown},
			{Effect: EffectAllowed, Err: errDown},
			{Effect: 99},
			{Err: errOdd},
			{Effect: EffectAllowed, Err: errOdd},
			{Err: errBroken},
		}[w.random.IntN(11)]
	}
	switch w.random.IntN(12) {
	case 0:
		return &authzv1.Check{Object: "document:{text}", Relation: "viewer", OnMissing: authzv1.OnMissing_ON_MISSING_DENY}
	case 1, 2:
		return &authzv1.Check{Object: "document:{text}", Relation: "viewer"}
	}

	return &authzv1.Check{Object: "document:" + id, Relation: "viewer"}
}

func (w *world) condition(depth int) *authzv1.Condition {
	kinds := 5
	if depth >= maxDepth {
		kinds = 3
	}
	switch w.random.IntN(kinds) {
	case 0:
		return w.asked()
	case 1:
		right := []string{"same", "other"}[w.random.IntN(2)]

		return &authzv1.Condition{Condition: &authzv1.Condition_Match{Match: &authzv1.Match{Left: "{optional_text}", Right: right}}}
	case 2:
		return w.held()
	case 3:
		return &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: w.conditions(depth + 1)}}}
	default:
		return &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: w.conditions(depth + 1)}}}
	}
}

func (w *world) conditions(depth int) []*authzv1.Condition {
	conditions := make([]*authzv1.Condition, 1+w.random.IntN(3))
	for i := range conditions {
		conditions[i] = w.condition(depth)
	}

	return conditions
}

// naive evaluates everything, without pruning, batching or caching: first with all
// that the engine would say left open, and what that settles, stays.
func (w *world) naive(condition *authzv1.Condition, asking bool) truth {
	var parts []*authzv1.Condition
	// What decides a group, the strongest first; a group without any is the last.
	order := []truth{no, refusedCall, broken, unknown, yes}
	switch part := condition.GetCondition().(type) {
	case *authzv1.Condition_Check:
		return w.naiveAnswer(part.Check.GetObject(), part.Check.GetOnMissing(), asking)
	case *authzv1.Condition_Permission:
		return w.naiveAnswer(part.Permission.GetOn(), part.Permission.GetOnMissing(), asking)
	case *authzv1.Condition_Attributes:
		return w.naiveAnswer(part.Attributes.GetResource(), part.Attributes.GetOnMissing(), asking)
	case *authzv1.Condition_Expression:
		return map[bool]truth{true: yes, false: no}[part.Expression.GetCel() == "true"]
	case *authzv1.Condition_HasRole:
		return map[bool]truth{true: yes, false: no}[w.scopes["role "+part.HasRole.GetRole()]]
	case *authzv1.Condition_InGroup:
		return map[bool]truth{true: yes, false: no}[w.scopes["group "+part.InGroup.GetGroup()]]
	case *authzv1.Condition_HasClaim:
		return map[bool]truth{true: yes, false: no}[part.HasClaim.GetAnyOf()[0] == "a"]
	case *authzv1.Condition_Match:
		return map[bool]truth{true: yes, false: no}[part.Match.GetRight() == "same"]
	case *authzv1.Condition_HasScope:
		return map[bool]truth{true: yes, false: no}[w.scopes[part.HasScope.GetScope()]]
	case *authzv1.Condition_AllOf:
		parts = part.AllOf.GetConditions()
		if !asking {
			order = []truth{no, refusedCall, open, yes}
		}
	case *authzv1.Condition_AnyOf:
		parts = part.AnyOf.GetConditions()
		if order = []truth{yes, unknown, broken, refusedCall, no}; !asking {
			order = []truth{yes, open, refusedCall, no}
		}
	}
	if asking {
		if settled := w.naive(condition, false); settled != open {
			return settled
		}
	}
	seen := map[truth]bool{}
	for _, part := range parts {
		seen[w.naive(part, asking)] = true
	}
	for _, decides := range order {
		if seen[decides] {
			return decides
		}
	}
	panic("a group of nothing")
}

func (w *world) naiveAnswer(object string, onMissing authzv1.OnMissing, asking bool) truth {
	if object == "document:{text}" {
		if onMissing == authzv1.OnMissing_ON_MISSING_DENY {
			return no
		}

		return refusedCall
	}
	answer := w.answers[object[len("document:"):]]
	switch {
	case !asking:
		return open
	case errors.Is(answer.Err, errDown):
		return unknown
	case errors.Is(answer.Err, errOdd):
		return refusedCall
	case errors.Is(answer.Err, errBroken):
		return broken
	case answer.Effect == EffectAllowed:
		return yes
	default:
		return no
	}
}

type propertyCaller struct{ scopes map[string]bool }

func (propertyCaller) Issuer() string                   { return "i" }
func (propertyCaller) IssuerName() string               { return "i" }
func (propertyCaller) Subject() string                  { return "alice" }
func (propertyCaller) ClientID() string                 { return "app" }
func (c propertyCaller) HasScope(scope string) bool     { return c.scopes[scope] }
func (c propertyCaller) HasRole(role string) bool       { return c.scopes["role "+role] }
func (c propertyCaller) InGroup(group string) bool      { return c.scopes["group "+group] }
func (c propertyCaller) HasPermission(name string) bool { return c.scopes["permission "+name] }
func (propertyCaller) ACR() string                      { return "" }
func (propertyCaller) AuthTime() time.Time              { return time.Time{} }
func (propertyCaller) IsService() bool                  { return false }
func (propertyCaller) IsUser() bool                     { return true }
func (propertyCaller) Claim(...string) (any, bool)      { return []any{"x", "a"}, true }

// TestRandomRulesDecideAsANaiveEvaluator runs 100,000 random trees, half of them
// against a cache that already knows some of the answers.
func TestRandomRulesDecideAsANaiveEvaluator(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var w *world
	var asked [queryKinds]atomic.Int64
	var mu sync.Mutex // a request may end after its decision
	engine := everyKind(func(kind QueryKind, batch Batch) (Result, error) {
		asked[kind].Add(1)
		mu.Lock()
		defer mu.Unlock()
		result := Result{Answers: make([]Answer, len(batch.Queries))}
		for i, query := range batch.Queries {
			result.Answers[i] = w.answers[query.Object.ID]
			if query.Kind != kind {
				t.Errorf("a query of kind %v is asked as %v", query.Kind, kind)
			}
		}

		return result, nil
	})
	authorizer, err := New(Config{
		Engine: engine, Expressions: words{}, Subjects: Subjects{User: "user:{$sub}"}, Issuers: Issuers{"i"}, Breaker: BreakerConfig{Disabled: true},
		Cache: CacheConfig{Size: 1000, TTL: time.Hour}, MaxObjects: 10_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	md := kindsMethod(t)
	tally, goroutines := map[truth]int{}, runtime.NumGoroutine()
	for serial := range propertyCases {
		mu.Lock()
		w = &world{random: random, serial: serial, answers: map[string]Answer{}, scopes: map[string]bool{"a": true, "role a": true, "group a": true}}
		conditions, all := w.conditions(1), random.IntN(2) == 0
		anyOf, allOf := &authzv1.AnyOf{Conditions: conditions}, &authzv1.AllOf{Conditions: conditions}
		mu.Unlock()
		rule := &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: anyOf}}
		whole := &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: anyOf}}
		if all {
			rule.Policy = &authzv1.Rule_AllOf{AllOf: allOf}
			whole.Condition = &authzv1.Condition_AllOf{AllOf: allOf}
		}
		method := authorizer.compileMethod(md, &site{}, rule, nil)
		if err := method.Err(); err != nil {
			t.Fatal(err)
		}
		call := &Call{Principal: propertyCaller{w.scopes}, Message: &docsv1.Kinds{OptionalText: proto.String("same")}}
		want, settled := w.naive(whole, true), w.naive(whole, false) != open
		tally[want]++
		for range 1 + serial%2 {
			for kind := range asked {
				asked[kind].Store(0)
			}
			decision, err := method.Authorize(t.Context(), call)
			if got := truthOf(err); got != want {
				t.Fatalf("case %d: got %v (%v), want %v\n%s", serial, got, err, want, method.Rule())
			}
			if decision.Allowed() != (want == yes) {
				t.Fatalf("case %d: the decision says %v", serial, decision)
			}
			settledTo(goroutines)
			for kind := range asked {
				if asked := asked[kind].Load(); asked > 1 || settled && asked > 0 {
					t.Fatalf("case %d: %d batches of kind %v for one rule, which needs none: %v\n%s", serial, asked, QueryKind(kind), settled, method.Rule())
				}
			}
		}
	}
	t.Logf("%v", tally)
	for _, class := range []truth{no, yes, unknown, broken, refusedCall} {
		if tally[class] < propertyCases/1000 {
			t.Errorf("only %d cases are %v", tally[class], class)
		}
	}
}

// everyKind is an engine of all kinds of queries.
type everyKind func(kind QueryKind, batch Batch) (Result, error)

func (f everyKind) Check(_ context.Context, batch Batch) (Result, error) {
	return f(QueryRelation, batch)
}

func (f everyKind) CheckPermissions(_ context.Context, batch Batch) (Result, error) {
	return f(QueryPermission, batch)
}

func (f everyKind) EvaluateAttributes(_ context.Context, batch Batch) (Result, error) {
	return f(QueryAttributes, batch)
}

// settledTo waits until no more goroutines run than at first: a call doesn't wait for
// engines whose answers it doesn't need any more.
func settledTo(goroutines int) {
	for runtime.NumGoroutine() > goroutines {
		runtime.Gosched()
	}
}

func truthOf(err error) truth {
	var refused *Error
	switch {
	case err == nil:
		return yes
	case errors.As(err, &refused) && refused.Reason == ReasonEngineUnavailable:
		return unknown
	case errors.As(err, &refused) && refused.Reason == ReasonObjectMissing:
		return refusedCall
	case errors.As(err, &refused) && refused.Reason == ReasonMisconfigured:
		return broken
	default:
		return no
	}
}

// kindsMethod is a method whose request has a field of each type.
func kindsMethod(tb testing.TB) protoreflect.MethodDescriptor {
	tb.Helper()

	return methodOver{
		docsv1.File_usher_test_docs_v1_docs_proto.Services().Get(0).Methods().Get(0),
		(&docsv1.Kinds{}).ProtoReflect().Descriptor(),
	}
}

// methodOver is a method with another request.
type methodOver struct {
	protoreflect.MethodDescriptor

	input protoreflect.MessageDescriptor
}

func (m methodOver) Input() protoreflect.MessageDescriptor { return m.input }
