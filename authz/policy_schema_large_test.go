package authz_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A rule of a file that somebody else wrote may have as many conditions as a file has room
// for, and a server as many issuers.
func TestValidateSchemaOfVeryManyConditions(t *testing.T) {
	const conditions, issuers = 200_000, 2_000
	s := model(t)
	group := &authzv1.AnyOf{}
	for i := range conditions {
		group.Conditions = append(group.Conditions, &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{
			Object: fmt.Sprintf("document:%d", i), Relation: "owner",
		}}})
	}
	of := map[string]authz.Subjects{}
	for i := range issuers {
		of[fmt.Sprint("i", i)] = authz.Subjects{Service: "service:{$client_id}"}
	}
	small := &authzv1.AnyOf{Conditions: group.GetConditions()[:10]}
	var methods []authz.MethodPolicy
	for i := range 20 {
		methods = append(methods, authz.MethodPolicy{Method: fmt.Sprintf("t.S/M%d", i), Rule: &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: small}}})
	}
	for name, policy := range map[string]*authz.Policy{
		"conditions": {Subjects: authz.Subjects{Service: "service:{$client_id}"}, Methods: []authz.MethodPolicy{{Method: "t.S/Get", Rule: &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: group}}}}},
		"issuers":    {IssuerSubjects: of, Methods: methods},
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			faults := policy.ValidateSchema(s)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %v", took)
			} else {
				t.Log(len(faults), took)
			}
			for _, fault := range faults {
				if len(fault.Problem) > 4000 {
					t.Fatalf("a fault of %d bytes", len(fault.Problem))
				}
			}
		})
	}
}
