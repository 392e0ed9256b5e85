package holders

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/schema"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
)

var modelRelations = []string{"r0", "r1", "r2", "r3"}

// randomModel makes models of OpenFGA.
type randomModel struct{ *rand.Rand }

func (r randomModel) relation() string { return modelRelations[r.IntN(len(modelRelations))] }

func (r randomModel) rewrite(depth int) *openfgav1.Userset {
	kind := r.IntN(10)
	if depth == 0 {
		kind = []int{0, 0, 0, 2, 4}[r.IntN(5)]
	}
	children := func(n int) *openfgav1.Usersets {
		all := &openfgav1.Usersets{}
		for range n {
			all.Child = append(all.Child, r.rewrite(depth-1))
		}

		return all
	}
	switch kind {
	case 0, 1:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_This{This: &openfgav1.DirectUserset{}}}
	case 2, 3:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_ComputedUserset{ComputedUserset: &openfgav1.ObjectRelation{Relation: r.relation()}}}
	case 4:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_TupleToUserset{TupleToUserset: &openfgav1.TupleToUserset{
			Tupleset: &openfgav1.ObjectRelation{Relation: "parent"}, ComputedUserset: &openfgav1.ObjectRelation{Relation: r.relation()},
		}}}
	case 5, 6, 7:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_Union{Union: children(2 + r.IntN(2))}}
	case 8:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_Intersection{Intersection: children(2)}}
	default:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_Difference{Difference: &openfgav1.Difference{Base: r.rewrite(depth - 1), Subtract: r.rewrite(depth - 1)}}}
	}
}

func direct(rewrite *openfgav1.Userset) bool {
	switch u := rewrite.GetUserset().(type) {
	case *openfgav1.Userset_This:
		return true
	case *openfgav1.Userset_Union:
		return slices.ContainsFunc(u.Union.GetChild(), direct)
	case *openfgav1.Userset_Intersection:
		return slices.ContainsFunc(u.Intersection.GetChild(), direct)
	case *openfgav1.Userset_Difference:
		return direct(u.Difference.GetBase()) || direct(u.Difference.GetSubtract())
	default:
		return false
	}
}

func (r randomModel) subjects() []*openfgav1.RelationReference {
	all := map[string]*openfgav1.RelationReference{}
	for range 1 + r.IntN(3) {
		ref := &openfgav1.RelationReference{Type: []string{"user", "user", "bot", "group", "doc"}[r.IntN(5)]}
		switch {
		case r.IntN(5) == 0:
			ref.RelationOrWildcard = &openfgav1.RelationReference_Wildcard{Wildcard: &openfgav1.Wildcard{}}
		case ref.GetType() != "user" && ref.GetType() != "bot" && r.IntN(4) > 0:
			ref.RelationOrWildcard = &openfgav1.RelationReference_Relation{Relation: r.relation()}
		}
		all[ref.String()] = ref
	}
	var list []*openfgav1.RelationReference
	for _, ref := range all {
		list = append(list, ref)
	}

	return list
}

func (r randomModel) model() *openfgav1.AuthorizationModel {
	m := &openfgav1.AuthorizationModel{SchemaVersion: "1.1", TypeDefinitions: []*openfgav1.TypeDefinition{{Type: "user"}, {Type: "bot"}}}
	for _, name := range []string{"group", "doc"} {
		parents := []*openfgav1.RelationReference{{Type: "group"}}
		if r.IntN(3) == 0 {
			parents = append(parents, &openfgav1.RelationReference{Type: "doc"})
		}
		t := &openfgav1.TypeDefinition{
			Type:      name,
			Relations: map[string]*openfgav1.Userset{"parent": {Userset: &openfgav1.Userset_This{This: &openfgav1.DirectUserset{}}}},
			Metadata:  &openfgav1.Metadata{Relations: map[string]*openfgav1.RelationMetadata{"parent": {DirectlyRelatedUserTypes: parents}}},
		}
		for _, relation := range modelRelations {
			t.Relations[relation] = r.rewrite(2)
			t.Metadata.Relations[relation] = &openfgav1.RelationMetadata{}
			if direct(t.GetRelations()[relation]) {
				t.Metadata.Relations[relation].DirectlyRelatedUserTypes = r.subjects()
			}
		}
		m.TypeDefinitions = append(m.TypeDefinitions, t)
	}

	return m
}

// Nobody is granted by OpenFGA who isn't among the holders, and nobody who has a relation
// is denied one that it implies, whatever the model is.
func TestHoldersOfRandomModels(t *testing.T) {
	const models = 500
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := openfgaserver.Start(t, "model\n  schema 1.1\ntype user\n")
	random := randomModel{rand.New(rand.NewPCG(16, 19))}
	counts := map[string]int{}
	for range models {
		m := random.model()
		written, err := s.Client.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{StoreId: s.StoreID, SchemaVersion: m.GetSchemaVersion(), TypeDefinitions: m.GetTypeDefinitions()})
		if err != nil {
			counts["models refused"]++

			continue
		}
		counts["models"]++
		of, err := openfga.Schema("model", m)
		if err != nil {
			t.Fatal(err)
		}
		var contextual []*openfgav1.TupleKey
		for _, td := range m.GetTypeDefinitions() {
			for name, meta := range td.GetMetadata().GetRelations() {
				for _, ref := range meta.GetDirectlyRelatedUserTypes() {
					for _, id := range []string{"1", "2"} {
						if random.IntN(5) < 2 {
							continue
						}
						user := ref.GetType() + ":" + []string{"1", "2"}[random.IntN(2)]
						if ref.GetWildcard() != nil {
							user = ref.GetType() + ":*"
						} else if ref.GetRelation() != "" {
							user += "#" + ref.GetRelation()
						}
						contextual = append(contextual, &openfgav1.TupleKey{Object: td.GetType() + ":" + id, Relation: name, User: user})
					}
				}
			}
		}
		users := []string{"user:1", "bot:1", "group:1", "doc:2"}
		for _, name := range []string{"group", "doc"} {
			for _, relation := range modelRelations {
				users = append(users, name+":1#"+relation)
			}
		}
		for _, name := range []string{"group", "doc"} {
			for _, user := range users {
				granted := map[string]*bool{}
				subject, userset, _ := strings.Cut(user, "#")
				typeName, _, _ := strings.Cut(subject, ":")
				for _, relation := range modelRelations {
					response, err := s.Client.Check(ctx, &openfgav1.CheckRequest{
						StoreId: s.StoreID, AuthorizationModelId: written.GetAuthorizationModelId(), ContextualTuples: &openfgav1.ContextualTupleKeys{TupleKeys: contextual},
						TupleKey: &openfgav1.CheckRequestTupleKey{Object: name + ":1", Relation: relation, User: user},
					})
					if err != nil {
						counts["errors"]++

						continue
					}
					allowed := response.GetAllowed()
					granted[relation] = &allowed
					if !allowed {
						continue
					}
					counts["granted"]++
					if h := of.Holders(name, relation); !h.May(typeName, userset) {
						t.Errorf("%s has %s of %s by OpenFGA, and the holders are %v\n%v", user, relation, name, h, describe(of))
					}
				}
				if userset != "" {
					continue
				}
				for _, a := range modelRelations {
					for _, b := range modelRelations {
						if a == b || granted[a] == nil || granted[b] == nil || !*granted[a] || !of.Implies(name, a, b) {
							continue
						}
						if counts["implied"]++; *granted[b] {
							continue
						}
						t.Errorf("%s has %s of %s and not %s, which is implied\n%v\n%v", user, a, name, b, describe(of), contextual)
					}
				}
			}
		}
	}
	t.Log(counts)
	for what, least := range map[string]int{"models": 50, "granted": 1000, "implied": 100} {
		if counts[what] < least {
			t.Errorf("only %d: %s", counts[what], what)
		}
	}
}

func describe(s *schema.Schema) string {
	var text strings.Builder
	for _, name := range s.Types() {
		for _, relation := range s.Type(name).Relations {
			fmt.Fprintf(&text, "%s#%s: %T%+v\n", name, relation.Name, relation.Expression, relation.Expression)
		}
	}

	return text.String()
}
