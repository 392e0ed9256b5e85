package lint_test

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// impliedRelations are the relations of each type of impliedModel. Those that are direct
// are in every world that impliedEngine is in.
var impliedRelations = func() []schema.Relation {
	direct := schema.Direct{Subjects: []schema.Subject{users, services}}
	computed := func(name string) schema.Expression { return schema.Computed{Relation: name} }

	return []schema.Relation{
		{Name: "owner", Expression: direct},
		{Name: "editor", Expression: schema.Union{direct, computed("owner")}},
		{Name: "viewer", Expression: schema.Union{direct, computed("editor")}},
		{Name: "reader", Expression: computed("viewer")},
		{Name: "banned", Expression: direct},
		{Name: "approver", Expression: schema.Exclusion{Base: computed("editor"), Except: computed("banned")}},
		{Name: "both", Expression: schema.Intersection{computed("owner"), computed("viewer")}},
		{Name: "limited", Expression: schema.Union{schema.Direct{Subjects: []schema.Subject{
			{Type: "user", Condition: regional.Name}, {Type: "service", Condition: regional.Name},
		}}, computed("owner")}},
	}
}()

func impliedModel(t *testing.T) *schema.Schema {
	t.Helper()
	types := []schema.Type{{Name: "service"}}
	for _, name := range []string{"user", "text", "folder", "platform"} {
		types = append(types, schema.Type{Name: name, Relations: impliedRelations})
	}
	model, err := schema.New("model.fga", types, []schema.Condition{regional})
	if err != nil {
		t.Fatal(err)
	}

	return model
}

// impliedEngine answers by impliedModel in one of 64 worlds of tuples.
type impliedEngine struct{ world uint32 }

func (e *impliedEngine) Check(_ context.Context, batch authz.Batch) (authz.Result, error) {
	answers := make([]authz.Answer, len(batch.Queries))
	for i, q := range batch.Queries {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(q.Object.String() + " " + q.Subject.String()))
		tuples := (e.world ^ sum.Sum32()) % 64
		owner, editor, viewer, banned := tuples&1 > 0, tuples&3 > 0, tuples&7 > 0, tuples&8 > 0
		answers[i].Effect = authz.EffectDenied
		allowed := map[string]bool{
			"owner": owner, "editor": editor, "viewer": viewer, "reader": viewer, "banned": banned,
			"approver": editor && !banned, "both": owner, "limited": owner || tuples&16 > 0 && len(q.Context) > 0,
		}[q.Relation]
		if allowed {
			answers[i].Effect = authz.EffectAllowed
		}
	}

	return authz.Result{Answers: answers}, nil
}

// impliedCondition is a random condition, most of them checks that are alike.
func impliedCondition(m ruleMaker, depth int) *authzv1.Condition {
	if depth > 0 && m.IntN(5) == 0 {
		conditions := []*authzv1.Condition{impliedCondition(m, depth-1), impliedCondition(m, depth-1)}
		if m.IntN(2) == 0 {
			return &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: &authzv1.AllOf{Conditions: conditions}}}
		}

		return &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: conditions}}}
	}
	if m.IntN(8) == 0 {
		return &authzv1.Condition{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: m.pick("a", "b")}}}
	}
	check := &authzv1.Check{
		Object:   m.pick("text:{text}", "text:{text}", "folder:{resource|name(folders/{})}", "platform:main"),
		Relation: impliedRelations[m.IntN(len(impliedRelations))].Name,
	}
	switch m.IntN(4) {
	case 0:
		check.Subject = m.pick("user:{$issuer}/{$sub}", "user:main#viewer")
	case 1:
		check.OnMissing = authzv1.OnMissing_ON_MISSING_DENY
	}
	if check.GetRelation() == "limited" || m.IntN(6) == 0 {
		check.Context = []*authzv1.ContextValue{{Name: m.pick("region", "other"), Value: "eu"}}
	}

	return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: check}}
}

// TestLintIsSureOfWhatRelationsImply compares random rules with what a server decides in
// all worlds of tuples: one without the checks that are of no effect by the schema decides
// alike.
func TestLintIsSureOfWhatRelationsImply(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 100
	}
	file := must(seedFiles(t).FindFileByPath("usher/test/seeds/v1/everything.proto"))
	random := ruleMaker{rand.New(rand.NewPCG(16, 5))}
	var calls []authz.Call
	for _, call := range everythingCalls(file.Messages().ByName("DoRequest")) {
		if random.IntN(60) == 0 {
			calls = append(calls, call)
		}
	}
	engine, model := &impliedEngine{}, impliedModel(t)
	everywhere := func(rule *authzv1.Rule) (*authz.Policy, string) {
		authorizer := impliedServer(file, engine, authz.Subjects{Service: "service:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}"}, rule)
		if authorizer == nil {
			return nil, ""
		}
		var text strings.Builder
		for engine.world = range 64 {
			text.WriteString(decisions(authorizer, calls))
		}

		return authorizer.Policy(), text.String()
	}
	told, tried := 0, 0
	for range rounds {
		var conditions []*authzv1.Condition
		for range 4 {
			conditions = append(conditions, impliedCondition(random, 2))
		}
		rule := &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: conditions}}}
		if random.IntN(2) == 0 {
			rule.Policy = &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: conditions}}
		}
		policy, decided := everywhere(rule)
		if policy == nil {
			continue
		}
		for _, f := range lint.Lint(policy, lint.Config{Schema: model}) {
			if f.ID != lint.IDConditionEffect || !strings.Contains(f.Problem, "model.fga") {
				continue
			}
			told++
			less := without(rule, f)
			if less == nil {
				continue
			}
			if other, otherwise := everywhere(less); other != nil {
				tried++
				if otherwise != decided {
					t.Errorf("it has an effect in %v: %s", rule, f)
				}
			}
		}
	}
	t.Logf("%d calls in 64 worlds, %d told, %d tried without", len(calls), told, tried)
	if tried < rounds/10 {
		t.Errorf("%d checks were tried without", tried)
	}
}

func impliedServer(file protoreflect.FileDescriptor, engine authz.Engine, subjects authz.Subjects, rule *authzv1.Rule) *authz.Authorizer {
	authorizer, err := authz.New(authz.Config{
		Engine: engine, Resolver: one{file}, Issuers: authz.Issuers{"corp", "partner"}, Breaker: authz.BreakerConfig{Disabled: true},
		Subjects: subjects, Rules: []authz.MethodRule{{Selector: everythingDo, Rule: rule}},
	})
	if err != nil {
		return nil
	}

	return authorizer
}

// TestLintSaysWhichRelationsImplyOthers has the finding of each case, and cases in which
// nothing is sure.
func TestLintSaysWhichRelationsImplyOthers(t *testing.T) {
	const object, because = "text:{text}", "the check has no effect: by the schema \"model.fga\", "
	check := func(relation string, change ...func(*authzv1.Check)) *authzv1.Condition {
		c := &authzv1.Check{Object: object, Relation: relation}
		for _, do := range change {
			do(c)
		}

		return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: c}}
	}
	about := func(subject string) func(*authzv1.Check) { return func(c *authzv1.Check) { c.Subject = subject } }
	of := func(object string) func(*authzv1.Check) { return func(c *authzv1.Check) { c.Object = object } }
	deny := func(c *authzv1.Check) { c.OnMissing = authzv1.OnMissing_ON_MISSING_DENY }
	given := func(name, value string) func(*authzv1.Check) {
		return func(c *authzv1.Check) { c.Context = []*authzv1.ContextValue{{Name: name, Value: value}} }
	}
	single := authz.Subjects{Service: "service:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}"}
	const viewer, owner = "any_of.conditions[0].check", "any_of.conditions[1].check"
	file := must(seedFiles(t).FindFileByPath("usher/test/seeds/v1/everything.proto"))
	for name, c := range map[string]struct {
		all        bool
		subjects   authz.Subjects
		conditions []*authzv1.Condition
		want       []string
	}{
		"the narrower in any_of": {false, single, []*authzv1.Condition{check("viewer"), check("owner")}, []string{owner + ": " + because + "owner of text implies viewer, which " + viewer + " asks for"}},
		"the wider in all_of": {
			true, single,
			[]*authzv1.Condition{check("viewer"), check("owner")},
			[]string{"all_of.conditions[0].check: " + because + "owner of text, which all_of.conditions[1].check asks for, implies viewer"},
		},
		"two that are the same": {false, single, []*authzv1.Condition{check("viewer"), check("reader")}, []string{owner + ": " + because + "reader of text implies viewer, which " + viewer + " asks for"}},
		"one of three stays": {
			false, single,
			[]*authzv1.Condition{check("owner"), check("viewer"), check("editor")},
			[]string{
				viewer + ": " + because + "owner of text implies viewer, which " + owner + " asks for",
				"any_of.conditions[2].check: " + because + "editor of text implies viewer, which " + owner + " asks for",
			},
		},
		"a subject of its own":      {false, single, []*authzv1.Condition{check("viewer", about("user:main")), check("owner", about("user:main"))}, []string{owner + ": " + because + "owner of text implies viewer, which " + viewer + " asks for"}},
		"another subject":           {false, single, []*authzv1.Condition{check("viewer", about("user:main")), check("owner")}, nil},
		"a subject that is a group": {false, single, []*authzv1.Condition{check("viewer", about("user:a#viewer")), check("owner", about("user:a#viewer"))}, nil},
		"callers that are groups":   {false, authz.Subjects{Service: "service:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}#viewer"}, []*authzv1.Condition{check("viewer"), check("owner")}, nil},
		"another object":            {false, single, []*authzv1.Condition{check("viewer"), check("owner", of("text:{user}"), deny)}, nil},
		"another value missing":     {false, single, []*authzv1.Condition{check("viewer"), check("owner", deny)}, nil},
		"another context":           {false, single, []*authzv1.Condition{check("limited", given("region", "eu")), check("owner", given("region", "us"))}, nil},
		"a context that is lacking": {false, single, []*authzv1.Condition{check("limited"), check("owner")}, nil},
		"a context that is given":   {false, single, []*authzv1.Condition{check("limited", given("region", "eu")), check("owner", given("region", "eu"))}, []string{owner + ": " + because + "owner of text implies limited, which " + viewer + " asks for"}},
		"no implication":            {false, single, []*authzv1.Condition{check("editor"), check("banned")}, nil},
		"a relation that isn't":     {false, single, []*authzv1.Condition{check("viewer"), check("admin")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			rule := &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: c.conditions}}}
			if c.all {
				rule.Policy = &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: c.conditions}}
			}
			authorizer := impliedServer(file, grants{}, c.subjects, rule)
			if authorizer == nil {
				t.Fatal("the rule has a fault")
			}
			policy := authorizer.Policy()
			told := func(config lint.Config) (all []string) {
				for _, f := range lint.Lint(policy, config) {
					if f.ID == lint.IDConditionEffect {
						all = append(all, strings.TrimPrefix(f.Path, "rule.")+": "+f.Problem)
					}
				}

				return all
			}
			if got := told(lint.Config{Schema: impliedModel(t)}); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := told(lint.Config{}); got != nil {
				t.Errorf("without a schema: %q", got)
			}
		})
	}
}
