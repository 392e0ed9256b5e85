package conformance

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/lumoauth"
	"github.com/usher-auth/usher/authz/lumoauth/lumoauthtest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
)

// relationEngines answer relations only.
var (
	_ authz.Engine = (*openfga.Engine)(nil)
	_ authz.Engine = (*spicedb.Engine)(nil)
)

// A Zanzibar engine has no permissions and attributes of its own, so that a rule with
// one is a fault at start and never asked as a relation of the same name.
func TestRelationEnginesAnswerRelationsOnly(t *testing.T) {
	for name, engine := range map[string]any{"openfga": (*openfga.Engine)(nil), "spicedb": (*spicedb.Engine)(nil)} {
		if _, ok := engine.(authz.PermissionEngine); ok {
			t.Errorf("%s answers permissions", name)
		}
		if _, ok := engine.(authz.AttributeEngine); ok {
			t.Errorf("%s answers attributes", name)
		}
	}
}

// patience is long enough for the largest batch on a busy machine.
const patience = 30 * time.Second

// throughOpenFGA asks OpenFGA's AuthZEN endpoints, over a store with the tuples.
func throughOpenFGA(tb testing.TB, tuples []authztest.Tuple, edit func(*authzen.Config)) *authzen.Engine {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := openfgaserver.Start(tb, openfgaserver.KindsModel, openfgaserver.AuthZEN())
	_, err := openfgaserver.Writer{Server: s}.Write(ctx, tuples...)
	fatal(tb, err)
	config := authzen.Config{BaseURL: s.ServeAuthZEN(tb), Timeout: patience}
	if edit != nil {
		edit(&config)
	}
	engine, err := authzen.New(config)
	fatal(tb, err)
	tb.Cleanup(func() { fatal(tb, engine.Close()) })

	return engine
}

func TestAuthZENAttributes(t *testing.T) {
	for name, edit := range map[string]func(*authzen.Config){
		"evaluations": nil,
		"one by one":  func(c *authzen.Config) { c.SingleOnly = true },
	} {
		t.Run(name, func(t *testing.T) {
			authztest.AttributeSuite{
				New: func(tb testing.TB, tuples ...authztest.Tuple) authz.AttributeEngine {
					tb.Helper()

					return throughOpenFGA(tb, tuples, edit)
				},
			}.Run(t)
		})
	}
}

func TestAuthZENPermissions(t *testing.T) {
	authztest.PermissionSuite{
		New: func(tb testing.TB, grants ...authztest.Permission) authz.PermissionEngine {
			tb.Helper()

			return throughOpenFGA(tb, asTuples(grants, "platform:main"), func(c *authzen.Config) {
				c.PermissionResource = authz.Object{Type: "platform", ID: "main"}
			})
		},
	}.Run(t)
}

// TestLumoAuthKinds runs against a server that speaks LumoAuth's documented contract in
// front of OpenFGA.
func TestLumoAuthKinds(t *testing.T) {
	behind := func(tb testing.TB, kind authz.QueryKind, tuples []authztest.Tuple) *lumoauth.Engine {
		tb.Helper()
		decides := throughOpenFGA(tb, tuples, nil)
		front := httptest.NewServer(lumoauthtest.New(lumoauthtest.Config{
			Organization: "acme", Engine: decides, APIKeys: []string{"fake-key"},
			EvaluationKind: func(string) authz.QueryKind { return kind },
		}))
		tb.Cleanup(front.Close)
		engine, err := lumoauth.New(lumoauth.Config{
			BaseURL: front.URL, Organization: "acme", APIKey: func(context.Context) (string, error) { return "fake-key", nil },
			PermissionResource: authz.Object{Type: "platform", ID: "main"}, Timeout: patience,
		})
		fatal(tb, err)
		tb.Cleanup(func() { fatal(tb, engine.Close()) })

		return engine
	}
	t.Run("permissions", func(t *testing.T) {
		authztest.PermissionSuite{New: func(tb testing.TB, grants ...authztest.Permission) authz.PermissionEngine {
			tb.Helper()

			return behind(tb, authz.QueryPermission, asTuples(grants, "platform:main"))
		}}.Run(t)
	})
	t.Run("attributes", func(t *testing.T) {
		authztest.AttributeSuite{New: func(tb testing.TB, tuples ...authztest.Tuple) authz.AttributeEngine {
			tb.Helper()

			return behind(tb, authz.QueryAttributes, tuples)
		}}.Run(t)
	})
}

// asTuples writes grants as relations. One on no object is on the object that stands
// for that.
func asTuples(grants []authztest.Permission, without string) []authztest.Tuple {
	tuples := make([]authztest.Tuple, len(grants))
	for i, grant := range grants {
		if grant.On == "" {
			grant.On = without
		}
		tuples[i] = authztest.MustTuples(grant.On + "#" + grant.Name + "@" + grant.Subject)[0]
	}

	return tuples
}
