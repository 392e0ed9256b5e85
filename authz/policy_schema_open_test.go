package authz_test

import (
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Who is excluded, and what an arrow goes through, has no part in who holds a relation,
// but their conditions take part in it.
func TestContextIsNotJudgedByConditionsThatTheSchemaDoesNotTell(t *testing.T) {
	user := schema.Direct{Subjects: []schema.Subject{{Type: "user"}, {Type: "service"}}}
	folders := schema.Union{schema.Direct{Subjects: []schema.Subject{{Type: "folder"}}}, schema.Exclusion{Base: schema.Computed{Relation: "reader"}, Except: schema.Unknown{}}}
	s, err := schema.New("", []schema.Type{
		{Name: "user"}, {Name: "service"}, {Name: "folder", Relations: []schema.Relation{{Name: "viewer", Expression: user}}},
		{Name: "document", Relations: []schema.Relation{
			{Name: "reader", Expression: user},
			{Name: "banned", Expression: schema.Unknown{}},
			{Name: "viewer", Expression: schema.Exclusion{Base: schema.Computed{Relation: "reader"}, Except: schema.Computed{Relation: "banned"}}},
			{Name: "parent", Expression: folders},
			{Name: "inherits", Expression: schema.Through{Tupleset: "parent", Relation: "viewer"}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, relation := range []string{"viewer", "inherits"} {
		if s.Holders("document", relation).Unknown || s.Complete("document", relation) {
			t.Fatalf("%s: the schema tells who holds it, and not what takes part in it: %v", relation, s.Holders("document", relation))
		}
		policy := rulePolicy(t, authz.Config{}, map[string]*authzv1.Rule{"Get": given(check("document:{text}", relation), "region", "eu")})
		for _, fault := range policy.ValidateSchema(s) {
			t.Error(fault)
		}
	}
}
