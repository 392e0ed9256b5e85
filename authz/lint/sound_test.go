package lint_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const everythingDo = seedsPackage + "EverythingService/Do"

// grants is an engine that grants everything, so that a refusal is the rule's own.
type grants struct{}

func (grants) Check(_ context.Context, batch authz.Batch) (authz.Result, error) {
	answers := make([]authz.Answer, len(batch.Queries))
	for i := range answers {
		answers[i].Effect = authz.EffectAllowed
	}

	return authz.Result{Answers: answers}, nil
}

// ruleMaker makes random rules of EverythingService/Do.
type ruleMaker struct{ *rand.Rand }

func (m ruleMaker) pick(from ...string) string { return from[m.IntN(len(from))] }

func (m ruleMaker) condition(depth int) *authzv1.Condition {
	if depth > 0 && m.IntN(3) == 0 {
		var conditions []*authzv1.Condition
		for range 1 + m.IntN(3) {
			conditions = append(conditions, m.condition(depth-1))
		}
		if m.IntN(2) == 0 {
			return &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: conditions}}}
		}

		return &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: conditions}}}
	}
	switch m.IntN(4) {
	case 0:
		return &authzv1.Condition{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: m.pick("a", "b")}}}
	case 1:
		check := &authzv1.Check{
			Object: m.pick("user:{user}", "group:{group}", "folder:{resource|name(folders/{})}", "folder:{resource|name(folders/{})}", "organization:{resource|name(organizations/{})}",
				"document:{resource|name(organizations/*/documents/{})}", "text:{text}", "paint:{paint}", "platform:main"),
			Relation: "viewer",
		}
		if m.IntN(3) == 0 {
			check.Subject = m.pick("service:{$issuer}/{$client_id}", "user:{$issuer}/{$sub}", "user:{user}", "service:main")
		}
		if m.IntN(2) == 0 {
			check.OnMissing = authzv1.OnMissing_ON_MISSING_DENY
		}

		return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: check}}
	default:
		sides := []string{
			m.pick("{text}", "{paint}", "{number}", "{text|uuid}", "x-{text}", "{text}-x", "{resource|name(folders/{})}", "{resource|name(folders/{})}", "{user}", "{group}", "{$issuer}"),
			m.pick("a", "b", "PAINT_RED", "red", "1", "01", "one", "7f000001-0000-4000-8000-000000000001", "7F000001-0000-4000-8000-000000000001",
				"x-a", "y-{user}", "x-{user}", "a-x", "f", "f/g", "corp", "partner", "{text}", "{$issuer}/{$client_id}", "{$issuer}/{$sub}", "x-", "other"),
		}
		if m.IntN(2) == 0 {
			sides[0], sides[1] = sides[1], sides[0]
		}

		return &authzv1.Condition{Condition: &authzv1.Condition_Match{Match: &authzv1.Match{Left: sides[0], Right: sides[1]}}}
	}
}

func (m ruleMaker) rule() *authzv1.Rule {
	rule := &authzv1.Rule{AccessToken: &authzv1.AccessToken{}}
	var conditions []*authzv1.Condition
	for range 1 + m.IntN(4) {
		conditions = append(conditions, m.condition(2))
	}
	if m.IntN(2) == 0 {
		rule.Policy = &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: conditions}}
	} else {
		rule.Policy = &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: conditions}}
	}
	token := rule.GetAccessToken()
	switch m.IntN(4) {
	case 0:
		token.Kinds = []authzv1.Kind{authzv1.Kind_KIND_SERVICE}
	case 1:
		token.Kinds = []authzv1.Kind{authzv1.Kind_KIND_USER}
	}
	switch m.IntN(4) {
	case 0:
		token.Issuers = []string{"corp"}
	case 1:
		token.Issuers = []string{"corp", "partner"}
	}
	switch m.IntN(4) {
	case 0:
		token.Scopes = []string{"a"}
	case 1:
		token.AnyScope = []string{"b"}
	}

	return rule
}

// everythingCalls are calls of EverythingService/Do that cover what the rules tell apart.
func everythingCalls(request protoreflect.MessageDescriptor) (calls []authz.Call) {
	fields := request.Fields()
	var messages []proto.Message
	for _, text := range []string{"", "a", "b", "x-a", "corp/c", "corp/s", "7f000001-0000-4000-8000-000000000001"} {
		for _, target := range []string{"", "user", "group"} {
			for _, value := range []string{"a", "f"} {
				for i, resource := range []string{"", "folders/f", "organizations/o", "organizations/o/documents/d"} {
					message := dynamicpb.NewMessage(request)
					if text != "" {
						message.Set(fields.ByName("text"), protoreflect.ValueOfString(text))
					}
					if target != "" {
						message.Set(fields.ByName(protoreflect.Name(target)), protoreflect.ValueOfString(value))
					}
					if resource != "" {
						message.Set(fields.ByName("resource"), protoreflect.ValueOfString(resource))
					}
					message.Set(fields.ByName("paint"), protoreflect.ValueOfEnum(protoreflect.EnumNumber(i%2)))
					message.Set(fields.ByName("number"), protoreflect.ValueOfInt32(int32(i/2)))
					messages = append(messages, message)
				}
			}
		}
	}
	for _, issuer := range []string{"corp", "partner"} {
		for _, scope := range []string{"", "a b"} {
			claims := authztest.Claims{"iss": issuer, "scope": scope}
			for _, principal := range []authz.Principal{authztest.Service("c", claims), authztest.User("s", claims)} {
				for _, message := range messages {
					calls = append(calls, authz.Call{Principal: principal, Message: message})
				}
			}
		}
	}

	return calls
}

// one is a resolver of one file.
type one struct{ protoreflect.FileDescriptor }

func (o one) RangeFiles(do func(protoreflect.FileDescriptor) bool) { do(o.FileDescriptor) }

// everything compiles a rule of EverythingService/Do as a server does. It is nil if the
// rule has a fault.
func everything(file protoreflect.FileDescriptor, rule *authzv1.Rule) *authz.Authorizer {
	authorizer, err := authz.New(authz.Config{
		Engine: grants{}, Resolver: one{file}, Issuers: authz.Issuers{"corp", "partner"}, Breaker: authz.BreakerConfig{Disabled: true},
		Subjects: authz.Subjects{Service: "service:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}"},
		Rules:    []authz.MethodRule{{Selector: everythingDo, Rule: rule}},
	})
	if err != nil {
		return nil
	}

	return authorizer
}

// TestLintIsSureOfWhatItSays compares random rules with what a server decides: no call
// passes a rule that the lint says is impassable, and one without the conditions that the
// lint says are of no effect decides alike.
func TestLintIsSureOfWhatItSays(t *testing.T) {
	rounds := 250
	if testing.Short() {
		rounds = 100
	}
	file := must(seedFiles(t).FindFileByPath("usher/test/seeds/v1/everything.proto"))
	calls := everythingCalls(file.Messages().ByName("DoRequest"))
	random := ruleMaker{rand.New(rand.NewPCG(16, 3))}
	counts := map[string]int{}
	for range rounds {
		rule := random.rule()
		authorizer := everything(file, rule)
		if authorizer == nil {
			counts["faulty"]++

			continue
		}
		granted := decisions(authorizer, calls)
		passes := strings.Contains(granted, "+")
		findings := lint.Lint(authorizer.Policy(), lint.Config{})
		told := false
		for _, f := range findings {
			switch f.ID {
			case lint.IDRulePassable:
				told = true
				if passes {
					t.Errorf("a caller passes %v: %s", rule, f)
				}
			case lint.IDConditionEffect:
				counts["without effect"]++
				less := without(rule, f)
				if less == nil {
					continue
				}
				counts["tried without"]++
				if other := everything(file, less); other != nil && decisions(other, calls) != granted {
					t.Errorf("it has an effect in %v: %s", rule, f)
				}
			}
		}
		switch {
		case told:
			counts["impassable and told"]++
		case !passes:
			counts["passed by none of the calls"]++
		default:
			counts["passable"]++
		}
	}
	t.Log(counts)
	for _, name := range []string{"impassable and told", "passable", "tried without"} {
		if counts[name] == 0 {
			t.Errorf("no rule is %s", name)
		}
	}
}

// decisions are the decisions of calls, one character for each: "+" is granted.
func decisions(authorizer *authz.Authorizer, calls []authz.Call) string {
	method := authorizer.Method("/" + everythingDo)
	text := make([]byte, len(calls))
	for i := range calls {
		text[i] = '-'
		if _, err := method.Authorize(context.Background(), &calls[i]); err == nil {
			text[i] = '+'
		}
	}

	return string(text)
}

// without returns a rule without the condition that a finding is about, or without those
// beside it if it makes them useless. It is nil if nothing would be left.
func without(rule *authzv1.Rule, f lint.Finding) *authzv1.Rule {
	less := proto.CloneOf(rule)
	var list, at *[]*authzv1.Condition
	var index, atIndex int
	for part := range strings.SplitSeq(strings.TrimPrefix(f.Path, "rule."), ".") {
		switch {
		case part == "all_of" && list == nil:
			list = &less.GetAllOf().Conditions
		case part == "any_of" && list == nil:
			list = &less.GetAnyOf().Conditions
		case part == "all_of":
			list = &(*list)[index].GetAllOf().Conditions
		case part == "any_of":
			list = &(*list)[index].GetAnyOf().Conditions
		case strings.HasPrefix(part, "conditions["):
			if _, err := fmt.Sscanf(part, "conditions[%d]", &index); err != nil {
				return nil
			}
			at, atIndex = list, index
		}
	}
	switch {
	case at == nil || len(*at) < 2:
		return nil
	case strings.Contains(f.Problem, "the others of any_of have no effect"):
		*at = (*at)[atIndex : atIndex+1]
	default:
		*at = slices.Delete(*at, atIndex, atIndex+1)
	}

	return less
}
