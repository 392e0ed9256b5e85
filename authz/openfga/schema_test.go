package openfga_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/schema"
)

func this() *openfgav1.Userset {
	return &openfgav1.Userset{Userset: &openfgav1.Userset_This{This: &openfgav1.DirectUserset{}}}
}

func difference(base, subtract *openfgav1.Userset) *openfgav1.Userset {
	return &openfgav1.Userset{Userset: &openfgav1.Userset_Difference{Difference: &openfgav1.Difference{Base: base, Subtract: subtract}}}
}

// oneRelation is a model whose type document has one relation, viewer.
func oneRelation(rewrite *openfgav1.Userset) *openfgav1.AuthorizationModel {
	return &openfgav1.AuthorizationModel{TypeDefinitions: []*openfgav1.TypeDefinition{
		{Type: "user"}, {Type: "document", Relations: map[string]*openfgav1.Userset{"viewer": rewrite}},
	}}
}

func TestModelAsASchema(t *testing.T) {
	m := conditionalModel()
	document := m.GetTypeDefinitions()[2]
	document.GetMetadata().GetRelations()["owner"].DirectlyRelatedUserTypes = []*openfgav1.RelationReference{
		{Type: "user"},
		{Type: "user", RelationOrWildcard: &openfgav1.RelationReference_Wildcard{Wildcard: &openfgav1.Wildcard{}}},
		{Type: "document", RelationOrWildcard: &openfgav1.RelationReference_Relation{Relation: "viewer"}, Condition: "in_office"},
	}
	document.GetRelations()["both"] = &openfgav1.Userset{Userset: &openfgav1.Userset_Intersection{Intersection: &openfgav1.Usersets{
		Child: []*openfgav1.Userset{this(), document.GetRelations()["viewer"]},
	}}}
	s, err := openfga.Schema("model.json", m)
	if err != nil {
		t.Fatal(err)
	}
	if s.Source() != "model.json" || !reflect.DeepEqual(s.Types(), []string{"document", "folder", "user"}) {
		t.Errorf("source %q, types %v", s.Source(), s.Types())
	}
	viewer := schema.Union{schema.Computed{Relation: "owner"}, schema.Through{Tupleset: "parent", Relation: "viewer"}}
	for ref, want := range map[schema.Reference]schema.Expression{
		{Type: "document", Relation: "viewer"}: viewer,
		{Type: "document", Relation: "both"}:   schema.Intersection{schema.Direct{Subjects: []schema.Subject{}}, viewer},
		{Type: "document", Relation: "owner"}: schema.Direct{Subjects: []schema.Subject{
			{Type: "user"}, {Type: "user", Wildcard: true}, {Type: "document", Relation: "viewer", Condition: "in_office"},
		}},
		{Type: "folder", Relation: "viewer"}: schema.Direct{Subjects: []schema.Subject{{Type: "user", Condition: "in_office"}}},
	} {
		relation := s.Relation(ref.Type, ref.Relation)
		if relation == nil || !reflect.DeepEqual(relation.Expression, want) {
			t.Errorf("%v = %+v, want %+v", ref, relation, want)
		}
	}
	if loop, ok := s.Relation("document", "loop").Expression.(schema.Exclusion); !ok || !reflect.DeepEqual(loop.Except, schema.Computed{Relation: "owner"}) {
		t.Errorf("loop = %+v", loop)
	}
}

func TestTypesOfParameters(t *testing.T) {
	parameters := map[string]*openfgav1.ConditionParamTypeRef{}
	for number, name := range openfgav1.ConditionParamTypeRef_TypeName_name {
		parameters[strings.ToLower(strings.TrimPrefix(name, "TYPE_NAME_"))] = &openfgav1.ConditionParamTypeRef{
			TypeName: openfgav1.ConditionParamTypeRef_TypeName(number),
		}
	}
	list := &openfgav1.ConditionParamTypeRef{TypeName: openfgav1.ConditionParamTypeRef_TYPE_NAME_LIST, GenericTypes: []*openfgav1.ConditionParamTypeRef{parameters["string"]}}
	parameters["nested"] = &openfgav1.ConditionParamTypeRef{TypeName: openfgav1.ConditionParamTypeRef_TYPE_NAME_MAP, GenericTypes: []*openfgav1.ConditionParamTypeRef{list}}
	s, err := openfga.Schema("m", &openfgav1.AuthorizationModel{Conditions: map[string]*openfgav1.Condition{"c": {Name: "c", Parameters: parameters}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range s.Condition("c").Parameters {
		want := name
		switch name {
		case "unspecified":
			want = ""
		case "nested":
			want = "map<list<string>>"
		}
		if got != want {
			t.Errorf("parameter %s: type %q, want %q", name, got, want)
		}
	}
}

func TestModelsThatAreNoSchema(t *testing.T) {
	deep := this()
	for range schema.MaxDepth {
		deep = difference(deep, this())
	}
	many := &openfgav1.AuthorizationModel{}
	for i := range schema.MaxTypes + 1 {
		many.TypeDefinitions = append(many.TypeDefinitions, &openfgav1.TypeDefinition{Type: fmt.Sprint("t", i)})
	}
	old := oneRelation(this())
	old.SchemaVersion = "1.0"
	for name, c := range map[string]struct {
		model *openfgav1.AuthorizationModel
		want  string
	}{
		"a model of the old schema version":    {old, `schema version "1.0"`},
		"a relation without definition":        {oneRelation(nil), `relation "viewer" of type "document"`},
		"a relation with an empty definition":  {oneRelation(&openfgav1.Userset{}), `relation "viewer" of type "document"`},
		"a difference from nothing":            {oneRelation(difference(nil, this())), `relation "viewer" of type "document"`},
		"a difference of nothing":              {oneRelation(difference(this(), nil)), `relation "viewer" of type "document"`},
		"a definition too deep":                {oneRelation(deep), "deeper than"},
		"more types than a schema has":         {many, "more than"},
		"a type twice":                         {&openfgav1.AuthorizationModel{TypeDefinitions: []*openfgav1.TypeDefinition{{Type: "a"}, {Type: "a"}}}, "defined twice"},
		"a type definition that isn't there":   {&openfgav1.AuthorizationModel{TypeDefinitions: []*openfgav1.TypeDefinition{nil}}, "no name"},
		"a union with a part that isn't there": {oneRelation(&openfgav1.Userset{Userset: &openfgav1.Userset_Union{Union: &openfgav1.Usersets{Child: []*openfgav1.Userset{nil}}}}), "no definition"},
	} {
		t.Run("row 62: "+name, func(t *testing.T) {
			s, err := openfga.Schema("model.json", c.model)
			if s != nil || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "model.json") {
				t.Errorf("schema %v, err = %v, want %q", s, err, c.want)
			}
		})
	}
	if s, err := openfga.Schema("m", nil); err != nil || len(s.Types()) != 0 {
		t.Errorf("no model: %v, %v", s, err)
	}
}

func TestReadSchema(t *testing.T) {
	newest := conditionalModel()
	f := &front{readModel: func(context.Context) (*openfgav1.AuthorizationModel, error) { return newest, nil }}
	for name, id := range map[string]string{"of the pinned model": modelID, "of the newest model": ""} {
		t.Run(name, func(t *testing.T) {
			var reader schema.Reader = engine(t, f, func(c *openfga.Config) { c.ModelID = id })
			s, err := reader.ReadSchema(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			if s.Relation("document", "viewer") == nil || !strings.Contains(s.Source(), modelID) {
				t.Errorf("source %q, types %v", s.Source(), s.Types())
			}
		})
	}
	t.Run("is of the model that checks name, not of one that was written since", func(t *testing.T) {
		e := engine(t, f, func(c *openfga.Config) { c.ModelID = "" })
		if err := e.Ready(deadline(t)); err != nil {
			t.Fatal(err)
		}
		other := proto.CloneOf(newest)
		other.Id = "01ARZ3NDEKTSV4RRFFQ69G5FAX"
		before := newest
		newest = other
		defer func() { newest = before }()
		// This front has one model only, so an engine that asks for its own is refused.
		_, err := e.ReadSchema(deadline(t))
		wantFault(t, err, authz.EngineUnavailable)
	})
}

func TestReadSchemaFails(t *testing.T) {
	unusable := conditionalModel()
	unusable.SchemaVersion = "1.0"
	for name, c := range map[string]struct {
		model *openfgav1.AuthorizationModel
		err   error
		kind  authz.EngineErrorKind
	}{
		"row 62: the model isn't there":    {nil, status.Error(codes.Code(openfgav1.ErrorCode_authorization_model_not_found), upstreamText), authz.EngineMisconfigured},
		"the server is down":               {nil, status.Error(codes.Unavailable, upstreamText), authz.EngineUnavailable},
		"the key is refused":               {nil, status.Error(codes.Unauthenticated, upstreamText), authz.EngineRefused},
		"the reply is empty":               {nil, nil, authz.EngineUnavailable},
		"row 62: the model can't be read":  {unusable, nil, authz.EngineMisconfigured},
		"the reply is about another model": {&openfgav1.AuthorizationModel{Id: storeID}, nil, authz.EngineUnavailable},
		"the server has no such request":   {nil, status.Error(codes.Unimplemented, upstreamText), authz.EngineMisconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(t, &front{readModel: func(context.Context) (*openfgav1.AuthorizationModel, error) { return c.model, c.err }})
			s, err := e.ReadSchema(deadline(t))
			wantFault(t, err, c.kind)
			if s != nil {
				t.Error("a schema with an error")
			}
		})
	}
	t.Run("the caller left", func(t *testing.T) {
		ctx, cancel := context.WithCancel(deadline(t))
		cancel()
		e := engine(t, &front{readModel: func(ctx context.Context) (*openfgav1.AuthorizationModel, error) { return nil, ctx.Err() }})
		if _, err := e.ReadSchema(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
	})
}

// FuzzSchema: no model panics, and whatever is accepted can be asked about.
func FuzzSchema(f *testing.F) {
	seed, err := proto.Marshal(conditionalModel())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(_ *testing.T, raw []byte) {
		var m openfgav1.AuthorizationModel
		if proto.Unmarshal(raw, &m) != nil {
			return
		}
		s, err := openfga.Schema("fuzz", &m)
		if err != nil {
			return
		}
		for _, name := range s.Types() {
			for _, relation := range s.Type(name).Relations {
				s.Holders(name, relation.Name)
				s.ConditionsOf(name, relation.Name)
			}
		}
		s.Undefined()
	})
}
