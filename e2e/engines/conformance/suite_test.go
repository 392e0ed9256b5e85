// Package conformance holds every engine adapter to authztest's suite, each
// against the real engine.
package conformance

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/lumoauth"
	"github.com/usher-auth/usher/authz/lumoauth/lumoauthtest"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
)

func TestOpenFGA(t *testing.T) {
	authztest.Suite{
		New: func(tb testing.TB) (authz.Engine, authztest.Writer) {
			tb.Helper()
			s := openfgaserver.Start(tb, openfgaserver.SuiteModel)
			engine, err := openfga.New(openfga.Config{Client: s.Client, StoreID: s.StoreID, ModelID: s.ModelID})
			fatal(tb, err)

			return engine, openfgaserver.Writer{Server: s}
		},
		Hanging: func(tb testing.TB) authz.Engine {
			tb.Helper()
			engine, err := openfga.New(openfga.Config{Client: openfgav1.NewOpenFGAServiceClient(silent(tb)), StoreID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", ModelID: "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
			fatal(tb, err)

			return engine
		},
		// OpenFGA has no revisions: at-least-as-fresh asks for its highest consistency.
		Lacks: authztest.Lacks{Revisions: true},
	}.Run(t)
}

func TestSpiceDB(t *testing.T) {
	authztest.Suite{
		New: func(tb testing.TB) (authz.Engine, authztest.Writer) {
			tb.Helper()
			s := spicedbserver.Start(tb, spicedbserver.SuiteSchema)
			engine, err := spicedb.New(spicedb.Config{Client: s.Client})
			fatal(tb, err)

			return engine, spicedbserver.Writer{Server: s}
		},
		Hanging: func(tb testing.TB) authz.Engine {
			tb.Helper()
			engine, err := spicedb.New(spicedb.Config{Client: v1.NewPermissionsServiceClient(silent(tb))})
			fatal(tb, err)

			return engine
		},
	}.Run(t)
}

// TestSpiceDBEncoded runs the suite with encoded ids, which its plain ids don't
// change.
func TestSpiceDBEncoded(t *testing.T) {
	authztest.Suite{
		New: func(tb testing.TB) (authz.Engine, authztest.Writer) {
			tb.Helper()
			s := spicedbserver.Start(tb, spicedbserver.SuiteSchema)
			engine, err := spicedb.New(spicedb.Config{Client: s.Client, EncodeIDs: true})
			fatal(tb, err)

			return engine, spicedbserver.Writer{Server: s}
		},
		Hanging: func(tb testing.TB) authz.Engine {
			tb.Helper()
			engine, err := spicedb.New(spicedb.Config{Client: v1.NewPermissionsServiceClient(silent(tb)), EncodeIDs: true})
			fatal(tb, err)

			return engine
		},
	}.Run(t)
}

// TestAuthZEN runs against OpenFGA's own AuthZEN endpoints, which are
// experimental. AuthZEN has no usersets and no consistency, and reports a
// condition without its context as an error like any other.
func TestAuthZEN(t *testing.T) {
	authztest.Suite{
		New: func(tb testing.TB) (authz.Engine, authztest.Writer) {
			tb.Helper()
			s := openfgaserver.Start(tb, openfgaserver.SuiteModel, openfgaserver.AuthZEN())
			engine, err := authzen.New(authzen.Config{BaseURL: s.ServeAuthZEN(tb)})
			fatal(tb, err)
			tb.Cleanup(func() { fatal(tb, engine.Close()) })

			return engine, openfgaserver.Writer{Server: s}
		},
		Hanging: func(tb testing.TB) authz.Engine {
			tb.Helper()
			engine, err := authzen.New(authzen.Config{BaseURL: hanging(tb)})
			fatal(tb, err)
			tb.Cleanup(func() { fatal(tb, engine.Close()) })

			return engine
		},
		Lacks: authztest.Lacks{Usersets: true, Conditions: true, Freshness: true},
	}.Run(t)
}

// TestLumoAuth runs against a server that speaks LumoAuth's documented contract
// in front of OpenFGA.
func TestLumoAuth(t *testing.T) {
	for name, lacks := range map[string]authztest.Lacks{
		"relation checks": {Conditions: true, Freshness: true},
		"evaluations":     {Usersets: true, Conditions: true, Freshness: true},
	} {
		t.Run(name, func(t *testing.T) {
			authztest.Suite{
				New: func(tb testing.TB) (authz.Engine, authztest.Writer) {
					tb.Helper()
					s := openfgaserver.Start(tb, openfgaserver.SuiteModel)
					behind, err := openfga.New(openfga.Config{Client: s.Client, StoreID: s.StoreID, ModelID: s.ModelID})
					fatal(tb, err)
					front := httptest.NewServer(lumoauthtest.New(lumoauthtest.Config{
						Organization: "acme", Engine: behind, APIKeys: []string{"fake-key"},
					}))
					tb.Cleanup(front.Close)

					return lumo(tb, front.URL, name), openfgaserver.Writer{Server: s}
				},
				Hanging: func(tb testing.TB) authz.Engine { tb.Helper(); return lumo(tb, hanging(tb), name) },
				Lacks:   lacks,
			}.Run(t)
		})
	}
}

func lumo(tb testing.TB, url, kind string) authz.Engine {
	tb.Helper()
	engine, err := lumoauth.New(lumoauth.Config{
		BaseURL: url, Organization: "acme", Evaluations: kind == "evaluations",
		APIKey: func(context.Context) (string, error) { return "fake-key", nil },
	})
	fatal(tb, err)
	tb.Cleanup(func() { fatal(tb, engine.Close()) })

	return engine
}

// silent connects to a port that accepts connections and never sends anything.
func silent(tb testing.TB) *grpc.ClientConn {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	fatal(tb, err)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	fatal(tb, err)
	tb.Cleanup(func() { fatal(tb, conn.Close()); fatal(tb, listener.Close()) })

	return conn
}

// hanging is the URL of a server that reads requests and never answers.
func hanging(tb testing.TB) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	tb.Cleanup(server.Close)

	return server.URL
}

func fatal(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
