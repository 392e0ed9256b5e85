package spicedb_test

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/schema"
	"github.com/usher-auth/usher/authz/spicedb"
)

// schemaFront is a SpiceDB whose schema a test writes.
type schemaFront struct {
	v1.UnimplementedSchemaServiceServer

	reflected *v1.ReflectSchemaResponse
	dependent func(*v1.DependentRelationsRequest) ([]*v1.ReflectionRelationReference, error)
	text      string

	reflectErr, textErr error
	asked               atomic.Int64
}

func (f *schemaFront) ReflectSchema(context.Context, *v1.ReflectSchemaRequest) (*v1.ReflectSchemaResponse, error) {
	return f.reflected, f.reflectErr
}

func (f *schemaFront) ReadSchema(context.Context, *v1.ReadSchemaRequest) (*v1.ReadSchemaResponse, error) {
	return &v1.ReadSchemaResponse{SchemaText: f.text}, f.textErr
}

func (f *schemaFront) DependentRelations(_ context.Context, r *v1.DependentRelationsRequest) (*v1.DependentRelationsResponse, error) {
	f.asked.Add(1)
	relations, err := f.dependent(r)

	return &v1.DependentRelationsResponse{Relations: relations}, err
}

func (f *schemaFront) engine(t *testing.T) *spicedb.Engine {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	v1.RegisterSchemaServiceServer(server, f)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///front",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); server.Stop(); <-done })

	return engine(t, &front{}, func(c *spicedb.Config) { c.SchemaClient = v1.NewSchemaServiceClient(conn) })
}

func reads(pairs ...string) []*v1.ReflectionRelationReference {
	var out []*v1.ReflectionRelationReference
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, &v1.ReflectionRelationReference{DefinitionName: pairs[i], RelationName: pairs[i+1]})
	}

	return out
}

// documents is the schema
//
//	caveat in_office(ip ipaddress, tags list<string>) { … }
//	definition user {}
//	definition team { relation member: user | team#member }
//	definition document {
//	  relation viewer: user with in_office | user:* | team#member
//	  permission view = viewer
//	}
func documents() *schemaFront {
	terminal := &v1.ReflectionTypeReference_IsTerminalSubject{IsTerminalSubject: true}
	members := &v1.ReflectionTypeReference{SubjectDefinitionName: "team", Typeref: &v1.ReflectionTypeReference_OptionalRelationName{OptionalRelationName: "member"}}

	return &schemaFront{
		reflected: &v1.ReflectSchemaResponse{
			ReadAt: &v1.ZedToken{Token: "dG9rZW4="},
			Caveats: []*v1.ReflectionCaveat{{
				Name: "in_office", Parameters: []*v1.ReflectionCaveatParameter{{Name: "ip", Type: "ipaddress"}, {Name: "tags", Type: "list<string>"}},
			}},
			Definitions: []*v1.ReflectionDefinition{
				{Name: "user"},
				{Name: "team", Relations: []*v1.ReflectionRelation{{
					Name: "member", SubjectTypes: []*v1.ReflectionTypeReference{{SubjectDefinitionName: "user", Typeref: terminal}, members},
				}}},
				{
					Name: "document",
					Relations: []*v1.ReflectionRelation{{Name: "viewer", SubjectTypes: []*v1.ReflectionTypeReference{
						{SubjectDefinitionName: "user", OptionalCaveatName: "in_office", Typeref: terminal},
						{SubjectDefinitionName: "user", Typeref: &v1.ReflectionTypeReference_IsPublicWildcard{IsPublicWildcard: true}},
						members,
					}}},
					Permissions: []*v1.ReflectionPermission{{Name: "view"}},
				},
			},
		},
		dependent: func(r *v1.DependentRelationsRequest) ([]*v1.ReflectionRelationReference, error) {
			if r.GetConsistency().GetAtExactSnapshot().GetToken() != "dG9rZW4=" || r.GetDefinitionName() != "document" || r.GetPermissionName() != "view" {
				return nil, status.Error(codes.InvalidArgument, "not this front's permission")
			}

			return reads("document", "viewer", "team", "member"), nil
		},
	}
}

func TestReadSchema(t *testing.T) {
	f := documents()
	var reader schema.Reader = f.engine(t)
	s, err := reader.ReadSchema(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Relation("document", "viewer").Expression; !reflect.DeepEqual(got, schema.Direct{Subjects: []schema.Subject{
		{Type: "user", Condition: "in_office"}, {Type: "user", Wildcard: true}, {Type: "team", Relation: "member"},
	}}) {
		t.Errorf("viewer = %+v", got)
	}
	if got := s.Relation("document", "view").Expression; !reflect.DeepEqual(got, schema.Unknown{
		Reads: []schema.Reference{{Type: "document", Relation: "viewer"}, {Type: "team", Relation: "member"}},
	}) {
		t.Errorf("view = %+v", got)
	}
	if got := s.Condition("in_office").Parameters; !reflect.DeepEqual(got, map[string]string{"ip": "ipaddress", "tags": "list<string>"}) {
		t.Errorf("parameters = %v", got)
	}
	if h := s.Holders("document", "view"); h.Unknown || !h.May("user", "") || !h.May("team", "member") || h.May("document", "") {
		t.Errorf("holders of view = %+v", h)
	}
	if s.Source() != "SpiceDB" || s.Undefined() != nil {
		t.Errorf("source %q, undefined %v", s.Source(), s.Undefined())
	}
}

func TestWhoHasAPermissionIsNeverTooFew(t *testing.T) {
	view := func(t *testing.T, f *schemaFront) schema.Holders {
		t.Helper()
		s, err := f.engine(t).ReadSchema(deadline(t))
		if err != nil {
			t.Fatal(err)
		}

		return s.Holders("document", "view")
	}
	for name, code := range map[string]codes.Code{"isn't implemented": codes.Unimplemented, "is refused": codes.PermissionDenied} {
		t.Run("if what it depends on "+name, func(t *testing.T) {
			f := documents()
			f.dependent = func(*v1.DependentRelationsRequest) ([]*v1.ReflectionRelationReference, error) {
				return nil, status.Error(code, upstreamText)
			}
			if h := view(t, f); !h.Unknown {
				t.Errorf("holders %+v", h)
			}
		})
	}
	t.Run("if it depends on what wasn't reflected", func(t *testing.T) {
		f := documents()
		f.dependent = func(*v1.DependentRelationsRequest) ([]*v1.ReflectionRelationReference, error) {
			return reads("document", "other"), nil
		}
		if h := view(t, f); !h.Unknown {
			t.Errorf("holders %+v", h)
		}
	})
	t.Run("if it may hold the document itself", func(t *testing.T) {
		f := documents()
		f.text = "use self\n\ndefinition document { permission view = viewer + self }"
		if h := view(t, f); h.Unknown || !h.May("document", "") {
			t.Errorf("holders %+v", h)
		}
	})
	t.Run("if the schema's text is refused", func(t *testing.T) {
		f := documents()
		f.textErr = status.Error(codes.PermissionDenied, upstreamText)
		if h := view(t, f); !h.May("document", "") {
			t.Errorf("holders %+v", h)
		}
	})
	t.Run("if there are more permissions than requests", func(t *testing.T) {
		f := documents()
		var many []*v1.ReflectionPermission
		for i := range 1500 {
			many = append(many, &v1.ReflectionPermission{Name: fmt.Sprint("p", i)})
		}
		f.reflected.GetDefinitions()[2].Permissions = many
		f.dependent = func(*v1.DependentRelationsRequest) ([]*v1.ReflectionRelationReference, error) {
			return reads("document", "viewer"), nil
		}
		s, err := f.engine(t).ReadSchema(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if n := f.asked.Load(); n != 1000 {
			t.Errorf("%d requests", n)
		}
		if s.Holders("document", "p999").Unknown || !s.Holders("document", "p1000").Unknown {
			t.Error("a permission after the limit must be unknown")
		}
	})
}

func TestReadSchemaFails(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*schemaFront)
		kind   authz.EngineErrorKind
		hint   string
	}{
		"row 62: the server has no such request": {func(f *schemaFront) { f.reflectErr = status.Error(codes.Unimplemented, upstreamText) }, authz.EngineMisconfigured, "as a file"},
		"the key may not read the schema":        {func(f *schemaFront) { f.reflectErr = status.Error(codes.PermissionDenied, upstreamText) }, authz.EngineRefused, "as a file"},
		"the server is down":                     {func(f *schemaFront) { f.reflectErr = status.Error(codes.Unavailable, upstreamText) }, authz.EngineUnavailable, ""},
		"the server goes down in between": {func(f *schemaFront) {
			f.dependent = func(*v1.DependentRelationsRequest) ([]*v1.ReflectionRelationReference, error) {
				return nil, status.Error(codes.Unavailable, upstreamText)
			}
		}, authz.EngineUnavailable, ""},
		"a subject type of no kind": {func(f *schemaFront) {
			f.reflected.GetDefinitions()[1].GetRelations()[0].GetSubjectTypes()[0].Typeref = nil
		}, authz.EngineUnavailable, "no known kind"},
		"row 62: a definition twice": {func(f *schemaFront) {
			f.reflected.Definitions = append(f.reflected.Definitions, &v1.ReflectionDefinition{Name: "user"})
		}, authz.EngineMisconfigured, "twice"},
		"row 62: a definition without a name": {func(f *schemaFront) {
			f.reflected.Definitions = append(f.reflected.Definitions, &v1.ReflectionDefinition{})
		}, authz.EngineMisconfigured, "no name"},
		"row 62: more definitions than a schema has": {func(f *schemaFront) {
			f.reflected.Definitions = make([]*v1.ReflectionDefinition, 0, 10_001)
			for i := range 10_001 {
				f.reflected.Definitions = append(f.reflected.Definitions, &v1.ReflectionDefinition{Name: fmt.Sprint("t", i)})
			}
		}, authz.EngineMisconfigured, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			f := documents()
			c.change(f)
			s, err := f.engine(t).ReadSchema(deadline(t))
			wantFault(t, err, c.kind)
			if s != nil || err == nil || !strings.Contains(err.Error(), c.hint) {
				t.Errorf("schema %v, err %v; want a hint at %q", s, err, c.hint)
			}
		})
	}
	t.Run("without a client for it", func(t *testing.T) {
		_, err := engine(t, &front{}).ReadSchema(deadline(t))
		if wantFault(t, err, authz.EngineMisconfigured); !strings.Contains(err.Error(), "Config.SchemaClient") {
			t.Errorf("err = %v", err)
		}
	})
}

type both struct {
	spicedb.Client
	spicedb.SchemaClient
}

func TestAClientOfBothServicesReadsTheSchema(t *testing.T) {
	e, err := spicedb.New(spicedb.Config{Client: both{SchemaClient: empty{}}})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := e.ReadSchema(deadline(t)); err != nil || len(s.Types()) != 0 {
		t.Errorf("schema %v, err %v", s, err)
	}
}

// empty is a SpiceDB without a schema.
type empty struct{ spicedb.SchemaClient }

func (empty) ReflectSchema(context.Context, *v1.ReflectSchemaRequest, ...grpc.CallOption) (*v1.ReflectSchemaResponse, error) {
	return &v1.ReflectSchemaResponse{}, nil
}

func (empty) ReadSchema(context.Context, *v1.ReadSchemaRequest, ...grpc.CallOption) (*v1.ReadSchemaResponse, error) {
	return nil, status.Error(codes.NotFound, "no schema")
}
