package schema

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const fgaModel = `model
  schema 1.1
type user
type service
type team
  relations
    define member: [user, team#member]
type folder
  relations
    define viewer: [user, service, team#member]
type document
  relations
    define parent: [folder]
    define owner: [user]
    define reader: [service]
    define banned: [user]
    define viewer: [user, team#member] or owner or viewer from parent
    define seen: viewer but not banned
    define both: owner and viewer
    define anyone: [user:*]
    define dated: [user with fresh]
condition fresh(now: timestamp, level: int) {
  now > timestamp("2020-01-01T00:00:00Z") && level < 10
}
`

const zedSchema = `
caveat fresh(now timestamp, level int) {
	now > timestamp("2020-01-01T00:00:00Z") && level < 10
}
definition user {}
definition service {}
definition team {
	relation member: user | team#member
}
definition folder {
	relation viewer: user | service | team#member
}
definition document {
	relation parent: folder
	relation owner: user
	relation reader: service
	relation banned: user
	relation shown: user | team#member
	permission viewer = shown + owner + parent->viewer
	permission seen = viewer - banned
	permission both = owner & viewer
	relation anyone: user:*
	relation dated: user with fresh
}
`

// rulesOf returns rules whose names are right and wrong at random.
func rulesOf(seed uint64, n int) map[string]*authzv1.Rule {
	random := rand.New(rand.NewPCG(seed, 16))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	rules := map[string]*authzv1.Rule{}
	for i := range n {
		check := &authzv1.Check{
			Object:   pick("document", "document", "document", "document", "document", "document", "document", "document", "folder", "team", "user", "documnt", "invoice") + ":{id}",
			Relation: pick("owner", "reader", "viewer", "seen", "both", "anyone", "dated", "viewer", "owner", "reader", "seen", "member", "parent", "veiwer", "members", "owners"),
			Subject: pick("", "", "", "", "", "", "", "", "user:alice", "service:robot", "team:{id}#member", "team:{id}#members", "usr:alice", "usr:alice#member",
				"document:{id}#viewer", "document:{id}#owner", "folder:{id}", "user:alice#viewer"),
		}
		if random.IntN(2) == 0 {
			check.Context = []*authzv1.ContextValue{{Name: "now", Value: "{$now}"}, {Name: "level", Value: pick("{number}", "{ratio}", "3", "{id}")}}
		}
		rules[fmt.Sprintf("M%03d", i)] = &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: check}}
	}

	return rules
}

// Every rule whose types and relations usher accepts is one that the engine accepts, and
// the other way round. A kind of caller that usher says can never pass is denied whatever
// tuples there are; here all are written that the model allows.
func TestRulesAndEnginesAgreeOnNames(t *testing.T) {
	const n = 300
	for name, start := range map[string]struct {
		start func(*testing.T, string) *target
		model string
		shown string // the relation that viewers have directly
	}{
		"OpenFGA": {startOpenFGA, fgaModel, "viewer"}, "SpiceDB": {startSpiceDB, zedSchema, "shown"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			engine := start.start(t, start.model)
			engine.write(ctx, t,
				"document:1#parent@folder:1", "document:1#owner@user:alice", "document:1#reader@service:robot", "document:1#"+start.shown+"@user:alice",
				"document:1#"+start.shown+"@team:1#member", "document:1#anyone@user:*", "document:1#dated@user:alice[fresh]", "team:1#member@user:alice",
				"folder:1#viewer@user:alice", "folder:1#viewer@service:robot", "folder:1#viewer@team:1#member")
			files, input := service(t, rulesOf(1, n))
			a := authorizer(t, engine.asked(), files)
			model, err := engine.reader.ReadSchema(ctx)
			if err != nil {
				t.Fatal(err)
			}
			policy := a.Policy()
			found := map[string][]*authz.RuleError{}
			for _, fault := range policy.ValidateSchema(model) {
				found[fault.Method] = append(found[fault.Method], fault)
			}
			counts := map[string]int{}
			for _, m := range policy.Methods {
				for _, fault := range m.Faults {
					t.Fatal(fault)
				}
				judge(ctx, t, a, &m, found[m.Method], input, counts)
			}
			t.Logf("%d rules: %v", n, counts)
			for what, least := range map[string]int{"wrong names": n / 4, "right names": n / 4, "granted": 20, "can never pass": 20} {
				if counts[what] < least {
					t.Errorf("only %d: %s", counts[what], what)
				}
			}
		})
	}
}

// judge asks the engine as both kinds of callers.
func judge(ctx context.Context, t *testing.T, a *authz.Authorizer, m *authz.MethodPolicy, faults []*authz.RuleError, input protoreflect.MessageDescriptor, counts map[string]int) {
	t.Helper()
	var misnamed error
	barred := map[bool]error{} // by whether the caller is a service
	for _, fault := range faults {
		switch fault.ID {
		case authz.FaultSchemaType, authz.FaultSchemaRelation:
			misnamed = fault
		case authz.FaultSchemaSubject:
			service, user := "a service can never pass", "a user can never pass"
			barred[true] = or(barred[true], fault, fault.Problem[:len(user)] != user)
			barred[false] = or(barred[false], fault, fault.Problem[:min(len(service), len(fault.Problem))] != service)
		}
	}
	if misnamed != nil {
		counts["wrong names"]++
	} else {
		counts["right names"]++
	}
	request := dynamicpb.NewMessage(input)
	request.Set(input.Fields().ByName("id"), protoreflect.ValueOfString("1"))
	request.Set(input.Fields().ByName("number"), protoreflect.ValueOfInt64(3))
	for _, caller := range []*authztest.Principal{authztest.User("alice"), authztest.Service("robot")} {
		_, err := a.Authorize(ctx, "/"+m.Method, caller, request)
		var refused *authz.Error
		switch {
		case err == nil:
			counts["granted"]++
			if barred[caller.IsService()] != nil {
				t.Errorf("%v: granted: %v", m.Rule, barred[caller.IsService()])
			}
			if misnamed != nil {
				t.Errorf("%v: granted: %v", m.Rule, misnamed)
			}
		case !errors.As(err, &refused):
			t.Fatal(err)
		case refused.Reason == authz.ReasonMisconfigured || refused.Reason == authz.ReasonSubjectInvalid:
			if misnamed == nil {
				t.Errorf("%v: usher accepts what the engine doesn't: %v", m.Rule, refused.Err)
			}
		case refused.Reason != authz.ReasonRelationDenied:
			t.Fatalf("%v: %v", m.Rule, err)
		case misnamed != nil:
			t.Errorf("%v: the engine accepts it: %v", m.Rule, misnamed)
		}
		if barred[caller.IsService()] != nil {
			counts["can never pass"]++
		}
	}
}

func or(a, b error, use bool) error {
	if use {
		return b
	}

	return a
}
