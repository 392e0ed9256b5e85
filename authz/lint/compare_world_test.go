package lint_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// compareUniverse is everything that may be true of a call in one case of the property
// test, each of which is varied independently of the others.
type compareUniverse struct {
	random *rand.Rand
	// leaves are the conditions that rules may have.
	leaves []string
	// vary are the dimensions of calls, by name.
	vary       map[string]bool
	twoIssuers bool
	// unknown is set if the server doesn't know its issuers. There is a third one then.
	unknown  bool
	claims   bool
	subjects authz.Subjects
	// onlyFirst is set if the server trusts the first issuer alone.
	onlyFirst bool
	issuers   map[string]authz.Subjects
}

// compareLeaves are conditions, by the dimension of calls that they depend on. Those of
// one issuer can't be in rules that admit several.
var compareLeaves = []struct {
	dimension, text string
	oneIssuer       bool
}{
	{"document", `check: {object: "document:{text}" relation: "viewer"}`, false},
	{"document", `check: {object: "document:{text}" relation: "editor" on_missing: ON_MISSING_DENY}`, false},
	{"document", `check: {object: "document:{text}" relation: "owner"}`, false},
	{"document", `check: {object: "document:{text}" relation: "reviewer"}`, false},
	{"folder", `check: {object: "folder:{wrapped_text}" relation: "viewer"}`, false},
	{"team", `check: {object: "folder:main" relation: "viewer" subject: "team:{$claim.team}"}`, true},
	{"attributes", `attributes: {resource: "document:{second}" action: "edit"}`, false},
	{"permission", `permission: {name: "edit"}`, true},
	{"match", `match: {left: "{optional_text}" right: "yes"}`, false},
	{"match", `match: {left: "no" right: "{optional_text}"}`, false},
	{"scope", `has_scope: {scope: "a"}`, false},
	{"scope", `has_scope: {scope: "b"}`, false},
	{"role", `has_role: {role: "auditor"}`, true},
	{"group", `in_group: {group: "staff"}`, true},
	{"tier", `has_claim: {path: "tier" any_of: "gold"}`, true},
	{"tier", `has_claim: {path: "tier" any_of: ["silver", "gold"]}`, true},
	{"expression", `expression: {cel: "e1"}`, true},
	{"expression", `expression: {cel: "e2"}`, true},
}

func newCompareUniverse(random *rand.Rand) *compareUniverse {
	u := &compareUniverse{
		random: random, vary: map[string]bool{}, twoIssuers: random.IntN(3) == 0,
		subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
	}
	switch random.IntN(4) {
	case 0:
		u.subjects.User = ""
	case 1:
		u.subjects.Service = ""
	}
	if u.twoIssuers {
		u.subjects = authz.Subjects{Service: "service:{$issuer}.{$client_id}", User: "user:{$issuer}.{$sub}"}
		u.unknown = random.IntN(2) == 0
		if !u.unknown && random.IntN(2) == 0 {
			u.issuers = map[string]authz.Subjects{"a": {User: "user:a.{$sub}"}}
		}
	} else {
		u.claims = random.IntN(2) == 0
	}
	for _, dimension := range []string{"scope", "acr", "age"} {
		u.vary[dimension] = random.IntN(3) == 0
	}
	for tries := 2 + random.IntN(4); tries > 0; tries-- {
		leaf := compareLeaves[random.IntN(len(compareLeaves))]
		if leaf.oneIssuer && u.twoIssuers {
			continue
		}
		if dims := len(u.vary); dims > 5 && !u.vary[leaf.dimension] {
			continue
		}
		u.vary[leaf.dimension] = true
		u.leaves = append(u.leaves, leaf.text)
	}
	if len(u.leaves) == 0 {
		u.leaves, u.vary["document"] = []string{compareLeaves[0].text}, true
	}

	return u
}

// condition returns a random condition, as text.
func (u *compareUniverse) condition(depth int) string {
	if depth >= 3 || u.random.IntN(2) == 0 {
		return u.leaves[u.random.IntN(len(u.leaves))]
	}
	name := []string{"all_of", "any_of"}[u.random.IntN(2)]
	var text strings.Builder
	for range 1 + u.random.IntN(3) {
		text.WriteString(" conditions: {" + u.condition(depth+1) + "}")
	}

	return name + ": {" + text.String() + "}"
}

// rule returns a random rule; of a method it may leave much to the default.
func (u *compareUniverse) rule(tb testing.TB, isDefault bool) *authzv1.Rule {
	tb.Helper()
	var text string
	switch n := u.random.IntN(24); {
	case n == 0:
		text = `authenticated: {}`
	case n == 1:
		text = `deny: {}`
	case n == 2 && !isDefault:
		text = `public: {}`
	case n == 3:
		text = `handler: {}`
	case n < 7:
	default:
		for text == "" || strings.HasPrefix(text, "has_") || strings.HasPrefix(text, "in_group") {
			if text = u.condition(0); text == u.leaves[0] && u.random.IntN(8) == 0 {
				text = `any_of: {conditions: {` + text + `}}`
			}
			if strings.HasPrefix(text, "has_") || strings.HasPrefix(text, "in_group") {
				text = `all_of: {conditions: {` + text + `}}`
			}
		}
	}
	rule := compareRule(tb, text+" ")
	if strings.HasPrefix(text, "deny") || strings.HasPrefix(text, "public") {
		return rule
	}
	rule.AccessToken = u.token()

	return rule
}

func (u *compareUniverse) token() *authzv1.AccessToken {
	token := &authzv1.AccessToken{}
	some := func(n int, add func()) {
		if u.random.IntN(n) == 0 {
			add()
		}
	}
	some(4, func() {
		token.Kinds = [][]authzv1.Kind{{authzv1.Kind_KIND_SERVICE}, {authzv1.Kind_KIND_USER}, {authzv1.Kind_KIND_SERVICE, authzv1.Kind_KIND_USER}}[u.random.IntN(3)]
	})
	if u.twoIssuers {
		some(3, func() { token.Issuers = [][]string{{"a"}, {"b"}, {"a", "b"}, {"b", "a"}}[u.random.IntN(4)] })
	} else {
		some(6, func() { token.Issuers = []string{"a"} })
	}
	if u.vary["scope"] {
		some(3, func() { token.Scopes = [][]string{{"a"}, {"b"}, {"a", "b"}}[u.random.IntN(3)] })
		some(3, func() { token.AnyScope = [][]string{{"a"}, {"a", "b"}}[u.random.IntN(2)] })
	}
	if u.vary["acr"] {
		some(2, func() { token.AcrValues = [][]string{{"low"}, {"high"}, {"low", "high"}}[u.random.IntN(3)] })
	}
	if u.vary["age"] {
		some(2, func() { token.MaxAge = durationpb.New([]time.Duration{5 * time.Minute, time.Hour}[u.random.IntN(2)]) })
	}

	return token
}

// compareCall is one world: a call, and what its handler would say.
type compareCall struct {
	call    authz.Call
	handler bool
}

// calls returns every call of the universe.
func (u *compareUniverse) calls() []compareCall {
	product := func(dimension string, claims []authztest.Claims, all []authztest.Claims) []authztest.Claims {
		if !u.vary[dimension] {
			return all
		}
		var more []authztest.Claims
		for _, so := range all {
			for _, claim := range claims {
				joined := maps.Clone(so)
				maps.Copy(joined, claim)
				more = append(more, joined)
			}
		}

		return more
	}
	now := time.Now()
	all := []authztest.Claims{{"iss": "a"}}
	if u.twoIssuers {
		all = append(all, authztest.Claims{"iss": "b"})
	}
	if u.unknown {
		all = append(all, authztest.Claims{"iss": "c"})
	}
	all = product("scope", []authztest.Claims{{}, {"scope": "a"}, {"scope": "b"}, {"scope": "a b"}}, all)
	all = product("acr", []authztest.Claims{{}, {"acr": "low"}, {"acr": "high"}}, all)
	all = product("age", []authztest.Claims{{}, {"auth_time": now.Add(-time.Minute)}, {"auth_time": now.Add(-30 * time.Minute)}}, all)
	all = product("role", []authztest.Claims{{}, {"roles": []any{"auditor"}}}, all)
	all = product("group", []authztest.Claims{{}, {"groups": []any{"staff"}}}, all)
	all = product("tier", []authztest.Claims{{}, {"tier": "gold"}, {"tier": []any{"silver", "bronze"}}, {"tier": []any{"gold", "silver"}}}, all)
	all = product("team", []authztest.Claims{{"team": "red"}, {"team": "blue"}}, all)
	all = product("expression", []authztest.Claims{{}, {"e1": "1"}, {"e2": "1"}, {"e1": "1", "e2": "1"}}, all)
	all = product("permission", []authztest.Claims{{}, {"permissions": []any{"edit"}, "sub": "permitted", "client_id": "permitted"}}, all)

	messages := []*docsv1.Kinds{{}}
	vary := func(dimension string, sets ...func(*docsv1.Kinds)) {
		if !u.vary[dimension] {
			return
		}
		var more []*docsv1.Kinds
		for _, message := range messages {
			more = append(more, message)
			for _, set := range sets {
				other := proto.CloneOf(message)
				set(other)
				more = append(more, other)
			}
		}
		messages = more
	}
	var documents []func(*docsv1.Kinds)
	for id := range compareDocuments {
		documents = append(documents, func(m *docsv1.Kinds) { m.Text = id })
	}
	vary("document", documents...)
	vary("folder", func(m *docsv1.Kinds) { m.WrappedText = wrapperspb.String("open") })
	vary("attributes", func(m *docsv1.Kinds) { m.Choice = &docsv1.Kinds_Second{Second: "open"} })
	vary("match", func(m *docsv1.Kinds) { m.OptionalText = proto.String("yes") }, func(m *docsv1.Kinds) { m.OptionalText = proto.String("no") })

	var calls []compareCall
	for _, claims := range all {
		for _, principal := range []*authztest.Principal{authztest.User("alice", claims), authztest.Service("alice", claims)} {
			for _, message := range messages {
				for _, handler := range []bool{false, true} {
					calls = append(calls, compareCall{authz.Call{Principal: principal, Message: message}, handler})
				}
			}
		}
	}
	calls = append(calls, compareCall{authz.Call{Message: messages[0]}, false}, compareCall{authz.Call{Message: messages[0]}, true})

	return calls
}

// compareDocuments are documents, with the relations that everybody has to each.
var compareDocuments = map[string][]string{
	"none": nil, "v": {"viewer"}, "e": {"editor"}, "o": {"owner"},
	"r": {"reviewer"}, "vr": {"viewer", "reviewer"}, "er": {"editor", "reviewer"}, "or": {"owner", "reviewer"},
}

// compareEngine is the engine of the property test.
func compareEngine(tb testing.TB) *authztest.Engine {
	tb.Helper()
	engine := authztest.NewModelEngine(authztest.Model{
		"user": {}, "service": {}, "team": {},
		"document": {"owner": {}, "editor": {Union: []string{"owner"}}, "viewer": {Union: []string{"editor"}}, "reviewer": {}},
		"folder":   {"viewer": {}},
	})
	var tuples []string
	for _, id := range []string{"alice", "permitted"} {
		for _, subject := range []string{"user:" + id, "service:" + id, "user:a." + id, "user:b." + id, "service:a." + id, "service:b." + id, "user:c." + id, "service:c." + id} {
			for document, relations := range compareDocuments {
				for _, relation := range relations {
					tuples = append(tuples, "document:"+document+"#"+relation+"@"+subject)
				}
			}
			tuples = append(tuples, "folder:open#viewer@"+subject)
			if id == "permitted" {
				engine.Grant(authztest.Permission{Subject: subject, Name: "edit"})
			}
		}
	}
	if _, err := engine.Write(tb.Context(), authztest.MustTuples(append(tuples, "folder:main#viewer@team:red")...)...); err != nil {
		tb.Fatal(err)
	}
	engine.SetPolicy(func(q authz.Query) authz.Answer {
		if q.Object.ID == "open" {
			return authz.Answer{Effect: authz.EffectAllowed}
		}

		return authz.Answer{Effect: authz.EffectDenied}
	})

	return engine
}

// compareModel is the schema of compareEngine.
func compareModel(tb testing.TB) *schema.Schema {
	tb.Helper()
	direct := schema.Direct{Subjects: []schema.Subject{{Type: "user"}, {Type: "service"}, {Type: "team"}}}
	model, err := schema.New("test", []schema.Type{
		{Name: "user"},
		{Name: "service"},
		{Name: "team"},
		{Name: "document", Relations: []schema.Relation{
			{Name: "owner", Expression: direct},
			{Name: "reviewer", Expression: direct},
			{Name: "editor", Expression: schema.Union{direct, schema.Computed{Relation: "owner"}}},
			{Name: "viewer", Expression: schema.Union{direct, schema.Computed{Relation: "editor"}}},
		}},
		{Name: "folder", Relations: []schema.Relation{{Name: "viewer", Expression: direct}}},
	}, nil)
	if err != nil {
		tb.Fatal(err)
	}

	return model
}

// compareExpressions compiles expressions that are the name of a claim, and true if the
// token has it.
type compareExpressions struct{ claim string }

func (compareExpressions) CompileExpression(text string, _ protoreflect.MessageDescriptor) (authz.Expression, error) {
	return compareExpressions{text}, nil
}

func (compareExpressions) Reads() authz.ExpressionReads {
	return authz.ExpressionReads{ClaimsOrSubject: true}
}

func (e compareExpressions) Evaluate(in *authz.ExpressionInput) (bool, error) {
	_, has := in.Principal.Claim(e.claim)

	return has, nil
}

// compareFiles has one service, t.S, whose methods M0, M1 and so on have the rules.
func compareFiles(tb testing.TB, def *authzv1.Rule, rules []*authzv1.Rule) *protoregistry.Files {
	tb.Helper()
	message := (&docsv1.Kinds{}).ProtoReflect().Descriptor()
	name := proto.String("." + string(message.FullName()))
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("S"), Options: &descriptorpb.ServiceOptions{}}
	if def != nil {
		proto.SetExtension(service.GetOptions(), authzv1.E_ServiceRule, &authzv1.ServiceRule{Default: def})
	}
	for i, rule := range rules {
		method := &descriptorpb.MethodDescriptorProto{Name: proto.String(fmt.Sprintf("M%d", i)), InputType: name, OutputType: name, Options: &descriptorpb.MethodOptions{}}
		if rule != nil {
			proto.SetExtension(method.GetOptions(), authzv1.E_Rule, rule)
		}
		service.Method = append(service.Method, method)
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("t.proto"), Package: proto.String("t"), Syntax: proto.String("proto3"),
		Dependency: []string{message.ParentFile().Path()}, Service: []*descriptorpb.ServiceDescriptorProto{service},
	}, protoregistry.GlobalFiles)
	if err != nil {
		tb.Fatal(err)
	}
	files := &protoregistry.Files{}
	if err := files.RegisterFile(file); err != nil {
		tb.Fatal(err)
	}

	return files
}

// reconfigured returns the universe or, now and then, one whose server has other subjects
// or trusts other issuers.
func (u *compareUniverse) reconfigured() *compareUniverse {
	other := *u
	switch n := u.random.IntN(12); {
	case n == 0 && u.subjects.User != "" && u.subjects.Service != "":
		other.subjects.User = ""
	case n == 1 && u.subjects.User == "" && !u.twoIssuers:
		other.subjects.User = "user:{$sub}"
	case n == 2 && u.twoIssuers && !u.unknown && u.issuers == nil:
		other.onlyFirst = true
	case n == 3 && u.twoIssuers && !u.unknown && u.issuers == nil:
		other.issuers = map[string]authz.Subjects{"b": {Service: u.subjects.Service}}
	default:
		return u
	}

	return &other
}

func (u *compareUniverse) authorizer(tb testing.TB, engine *authztest.Engine, def *authzv1.Rule, rules []*authzv1.Rule) *authz.Authorizer {
	tb.Helper()
	config := authz.Config{
		Engine: engine, Subjects: u.subjects, IssuerSubjects: u.issuers, Issuers: authz.Issuers{"a"}, Expressions: compareExpressions{},
		Attributes: engine, Permissions: engine, Breaker: authz.BreakerConfig{Disabled: true}, Resolver: compareFiles(tb, def, rules),
	}
	if u.twoIssuers {
		config.Issuers = authz.Issuers{"a", "b"}
	}
	if u.unknown {
		config.Issuers = nil
	}
	if u.onlyFirst {
		config.Issuers = authz.Issuers{"a"}
	}
	if u.claims {
		config.Permissions = authz.ClaimPermissions{}
	}
	authorizer, err := authz.New(config)
	if err != nil {
		tb.Fatal(err)
	}

	return authorizer
}

// grants reports for each call whether the method's rule grants it.
func compareGrants(tb testing.TB, authorizer *authz.Authorizer, method string, calls []compareCall, handler bool) []bool {
	tb.Helper()
	compiled := authorizer.Method("/" + method)
	granted := make([]bool, len(calls))
	for i := range calls {
		if i > 0 && !handler && calls[i].call.Message == calls[i-1].call.Message && calls[i].call.Principal == calls[i-1].call.Principal {
			granted[i] = granted[i-1] // what the handler would say doesn't matter

			continue
		}
		_, err := compiled.Authorize(tb.Context(), &calls[i].call)
		var refused *authz.Error
		if err != nil && !errors.As(err, &refused) || errors.Is(err, context.Canceled) {
			tb.Fatal(err)
		}
		granted[i] = err == nil && (!handler || calls[i].handler)
	}

	return granted
}

// TestCompareIsWhatServersDo compares random rules of random universes, and asks real
// Authorizers about every call of the universe what the comparison says of them all.
func TestCompareIsWhatServersDo(t *testing.T) {
	cases, methods := 100, 30
	if testing.Short() || compareSlowdown > 1 {
		cases = 25
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	engine, model := compareEngine(t), compareModel(t)
	tally, worlds := map[string]int{}, 0
	for range cases {
		u := newCompareUniverse(random)
		calls := u.calls()
		if len(calls) > 3000 {
			continue
		}
		var def [2]*authzv1.Rule
		var rules [2][]*authzv1.Rule
		for side := range def {
			if def[side] = u.rule(t, true); side == 1 && random.IntN(2) == 0 {
				def[side] = def[0]
			}
			for range methods {
				rules[side] = append(rules[side], u.rule(t, false))
			}
		}
		for i := range rules[0] {
			switch random.IntN(4) {
			case 0:
				rules[1][i] = proto.CloneOf(rules[0][i])
				compareMutate(u, rules[1][i])
			case 1:
				rules[1][i].Policy = rules[0][i].GetPolicy()
				if deny := rules[1][i].GetDeny() != nil || rules[1][i].GetPublic() != nil; deny {
					rules[1][i].AccessToken = nil
				}
			}
		}
		other := u.reconfigured()
		old, updated := u.authorizer(t, engine, def[0], rules[0]), other.authorizer(t, engine, def[1], rules[1])
		before, after := old.Policy(), updated.Policy()
		comparison := lint.Compare(before, after, lint.CompareConfig{Schema: model})
		compareMirrored(t, comparison, lint.Compare(after, before, lint.CompareConfig{Schema: model}))
		if same := lint.Compare(before, old.Policy(), lint.CompareConfig{Schema: model}); len(same.Changes) > 0 {
			t.Fatalf("a policy differs from itself: %v", same.Changes)
		}
		compareSameLocked(t, before, after, lint.CompareConfig{Schema: model})
		changes := map[string]lint.Change{}
		for _, change := range comparison.Changes {
			changes[change.Method] = change
		}
		for i, m := range before.Methods {
			n := after.Methods[i]
			had := compareGrants(t, old, m.Method, calls, m.Rule.GetHandler() != nil)
			has := compareGrants(t, updated, m.Method, calls, n.Rule.GetHandler() != nil)
			var looser, tighter bool
			for i := range calls {
				looser = looser || has[i] && !had[i]
				tighter = tighter || had[i] && !has[i]
			}
			worlds += len(calls)
			saysLooser, saysTighter, cant := compareSays(changes[m.Method])
			opaque := strings.Contains(fmt.Sprint(m.Rule, n.Rule), "expression") || strings.Contains(fmt.Sprint(m.Rule, n.Rule), "handler") || len(n.Faults) > 0
			if other != u {
				// What all methods have in common is told by itself, and isn't told of each.
				allLooser, allTighter, allCant := compareSays(changes[""])
				if looser && !saysLooser && !cant && !allLooser && !allCant || tighter && !saysTighter && !cant && !allTighter && !allCant {
					t.Fatalf("%s: looser %v, tighter %v\nold %v\nnew %v\n%v", m.Method, looser, tighter, m.Rule, n.Rule, comparison.Changes)
				}
				tally["(reconfigured)"]++

				continue
			}
			wrong := saysLooser != looser && (!cant || saysLooser) || saysTighter != tighter && (!cant || saysTighter) || cant && !opaque
			if wrong {
				t.Fatalf("%s: looser %v, told %v; tighter %v, told %v; can't tell %v\nold %v %v\nnew %v %v\n%v", m.Method,
					looser, saysLooser, tighter, saysTighter, cant, m.Rule, m.Faults, n.Rule, n.Faults, changes[m.Method])
			}
			switch {
			case cant:
				tally["can't tell"]++
			case looser && tighter:
				tally["both"]++
			case looser:
				tally["looser"]++
			case tighter:
				tally["tighter"]++
			default:
				tally["same"]++
			}
			if len(m.Faults) > 0 || len(n.Faults) > 0 {
				tally["(faulty)"]++
			}
		}
	}
	t.Logf("%v in %d worlds", tally, worlds)
	for _, verdict := range []string{"same", "looser", "tighter", "both", "can't tell"} {
		if tally[verdict] < cases/5 {
			t.Errorf("only %d are %s", tally[verdict], verdict)
		}
	}
}

// compareSameLocked fails if two policies compare otherwise once they were written to a
// file.
func compareSameLocked(tb testing.TB, old, updated *authz.Policy, config lint.CompareConfig) {
	tb.Helper()
	var direct, locked [2]*authz.Policy
	for i, policy := range []*authz.Policy{old, updated} {
		sound := *policy
		sound.Methods = nil
		for k, m := range policy.Methods {
			if len(old.Methods[k].Faults) == 0 && len(updated.Methods[k].Faults) == 0 {
				sound.Methods = append(sound.Methods, m)
			}
		}
		text, err := lint.WriteLock(&sound)
		if err == nil {
			direct[i] = &sound
			locked[i], err = lint.ReadLock(text)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	said, says := lint.Compare(direct[0], direct[1], config), lint.Compare(locked[0], locked[1], config)
	if a, b := fmt.Sprint(said.Opaque, said.Changes), fmt.Sprint(says.Opaque, says.Changes); a != b {
		tb.Errorf("as they are: %s\nfrom a file: %s", a, b)
	}
}

// compareSays returns what a change says of whom the rule admits.
func compareSays(change lint.Change) (looser, tighter, cant bool) {
	for _, d := range change.Differences {
		if strings.HasSuffix(d.Part, ".on_missing") {
			continue
		}
		looser = looser || d.Verdict == lint.Looser
		tighter = tighter || d.Verdict == lint.Tighter
		cant = cant || d.Verdict == lint.CantTell
	}

	return looser, tighter, cant
}

// compareMutate changes one group or one part of the token's conditions.
func compareMutate(u *compareUniverse, rule *authzv1.Rule) {
	var groups [][]*authzv1.Condition
	var walk func(conditions []*authzv1.Condition)
	walk = func(conditions []*authzv1.Condition) {
		if len(conditions) == 0 {
			return
		}
		groups = append(groups, conditions)
		for _, condition := range conditions {
			walk(condition.GetAllOf().GetConditions())
			walk(condition.GetAnyOf().GetConditions())
		}
	}
	walk(rule.GetAllOf().GetConditions())
	walk(rule.GetAnyOf().GetConditions())
	if all := rule.GetAllOf(); all != nil && u.random.IntN(3) == 0 {
		rule.Policy = &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: all.GetConditions()}}

		return
	}
	if len(groups) == 0 {
		if rule.GetAccessToken() != nil {
			rule.AccessToken = u.token()
		}

		return
	}
	group := groups[u.random.IntN(len(groups))]
	i := u.random.IntN(len(group))
	if j := u.random.IntN(len(group)); j != i {
		group[i] = group[j] // as good as dropped
	} else if all := group[i].GetAllOf(); all != nil {
		group[i] = &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: slices.Clone(all.GetConditions())}}}
	}
}
