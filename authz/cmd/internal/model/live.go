package model

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/schema"
	"github.com/usher-auth/usher/authz/spicedb"
)

const schemes = "a live schema is openfga+grpc://HOST:PORT/STORE, with ?model=ID for one model, or spicedb+grpc://HOST:PORT; " +
	"+plaintext after grpc connects without TLS"

// target is a live engine.
type target struct {
	ref       string // as it is shown
	engine    string // openfga or spicedb
	address   string // host:port
	host      string
	plaintext bool
	store     string
	model     string
}

// parseTarget returns the engine that a URL names. Its errors don't tell the URL, which may
// hold a password where none belongs.
func parseTarget(ref string) (target, error) {
	if strings.HasPrefix(ref, "grpc://") {
		return target{}, errors.New("grpc:// doesn't say which engine it is; " + schemes)
	}
	u, err := url.Parse(ref)
	if err != nil {
		return target{}, errors.New("the schema's URL is malformed; " + schemes)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return target{}, errors.New("the query of the schema's URL is malformed; " + schemes)
	}
	scheme, plaintext := strings.CutSuffix(u.Scheme, "+plaintext")
	engine, isGRPC := strings.CutSuffix(scheme, "+grpc")
	t := target{engine: engine, address: u.Host, host: u.Hostname(), plaintext: plaintext}
	path := strings.Trim(u.Path, "/")
	switch {
	case !isGRPC || engine != "openfga" && engine != "spicedb":
		return target{}, fmt.Errorf("unknown scheme %q; %s", u.Scheme, schemes)
	case u.User != nil:
		return target{}, errors.New("the schema's URL holds a credential; set " + tokenVariable + " or " + tokenFileVariable + " instead")
	case t.host == "" || u.Port() == "":
		return target{}, errors.New("the schema's URL lacks a host or a port; " + schemes)
	case u.Fragment != "" || u.Opaque != "":
		return target{}, errors.New("the schema's URL has a fragment; " + schemes)
	case engine == "spicedb" && (path != "" || u.RawQuery != ""):
		return target{}, errors.New("the URL of SpiceDB has a path or a query; " + schemes)
	case engine == "openfga" && (path == "" || strings.Contains(path, "/")):
		return target{}, errors.New("the URL of OpenFGA lacks the store's id; " + schemes)
	}
	t.store, t.model = path, query.Get("model")
	for name, values := range query {
		if name != "model" || len(values) != 1 || values[0] == "" {
			return target{}, errors.New("the query of the schema's URL isn't one model; " + schemes)
		}
	}
	t.ref = u.Scheme + "://" + u.Host
	if path != "" {
		t.ref += "/" + path
	}

	return t, nil
}

// loadLive reads the model of the engine that a URL names.
func loadLive(ctx context.Context, ref string, cfg Config) (s *schema.Schema, err error) {
	t, err := parseTarget(ref)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	conn, err := dial(t, cfg.Getenv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.ref, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if t.engine == "openfga" {
		s, err = readOpenFGA(ctx, t, conn)
	} else {
		s, err = readSpiceDB(ctx, t, conn)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.ref, err)
	}

	return s, nil
}

func readOpenFGA(ctx context.Context, t target, conn *grpc.ClientConn) (*schema.Schema, error) {
	engine, err := openfga.New(openfga.Config{Client: openfgav1.NewOpenFGAServiceClient(conn), StoreID: t.store, ModelID: t.model})
	if err != nil {
		return nil, err
	}

	return engine.ReadSchema(ctx)
}

// readSpiceDB reads the schema in SpiceDB's own language, which tells what permissions
// consist of. A server or a key that doesn't give it may still reflect it.
func readSpiceDB(ctx context.Context, t target, conn *grpc.ClientConn) (*schema.Schema, error) {
	client := v1.NewSchemaServiceClient(conn)
	response, err := client.ReadSchema(ctx, &v1.ReadSchemaRequest{}, grpc.MaxCallRecvMsgSize(MaxBytes))
	switch status.Code(err) {
	case codes.OK:
		text, err := clean(t.ref, []byte(response.GetSchemaText()))
		if err != nil {
			return nil, err
		}

		return parseZed(nil, source{file: t.ref, text: text})
	case codes.Unimplemented, codes.PermissionDenied:
		engine, err := spicedb.New(spicedb.Config{Client: v1.NewPermissionsServiceClient(conn), SchemaClient: client})
		if err != nil {
			return nil, err
		}

		return engine.ReadSchema(ctx)
	case codes.NotFound:
		return nil, errors.New("SpiceDB has no schema")
	default:
		return nil, fmt.Errorf("SpiceDB doesn't tell its schema: %s", status.Code(err))
	}
}
