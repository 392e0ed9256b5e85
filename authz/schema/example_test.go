package schema_test

import (
	"fmt"

	"github.com/usher-auth/usher/authz/schema"
)

func Example() {
	// An engine's ReadSchema returns one; this is the model
	//
	//	type document
	//	  define owner: [user]
	//	  define viewer: [team#member] or owner
	model, err := schema.New("model.fga", []schema.Type{
		{Name: "user"},
		{Name: "team", Relations: []schema.Relation{
			{Name: "member", Expression: schema.Direct{Subjects: []schema.Subject{{Type: "user"}}}},
		}},
		{Name: "document", Relations: []schema.Relation{
			{Name: "owner", Expression: schema.Direct{Subjects: []schema.Subject{{Type: "user"}}}},
			{Name: "viewer", Expression: schema.Union{
				schema.Direct{Subjects: []schema.Subject{{Type: "team", Relation: "member"}}},
				schema.Computed{Relation: "owner"},
			}},
		}},
	}, nil)
	if err != nil {
		fmt.Println(err)

		return
	}
	holders := model.Holders("document", "viewer")
	fmt.Println(holders.Subjects, holders.May("service", ""))
	fmt.Println(model.Implies("document", "owner", "viewer"), model.Implies("document", "viewer", "owner"))
	// Output:
	// [team#member user] false
	// true false
}
