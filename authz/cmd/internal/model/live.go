package model

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz/cmd/internal/dial"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/schema"
	"github.com/usher-auth/usher/authz/spicedb"
)

// forms are the URLs of engines that have a schema to be read.
const forms = dial.GRPCForms

// loadLive reads the model of the engine that a URL names.
func loadLive(ctx context.Context, ref string, cfg Config) (s *schema.Schema, err error) {
	t, err := dial.Parse(ref, forms)
	if err != nil {
		return nil, err
	}
	read, ok := map[dial.Engine]func(context.Context, *dial.Target, *grpc.ClientConn) (*schema.Schema, error){
		dial.OpenFGA: readOpenFGA, dial.SpiceDB: readSpiceDB,
	}[t.Engine]
	if !ok {
		return nil, fmt.Errorf("%s: the engine has no schema that can be read: a live schema is one of %s", t, forms)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	conn, err := t.GRPC(cfg.Getenv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if s, err = read(ctx, t, conn); err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}

	return s, nil
}

func readOpenFGA(ctx context.Context, t *dial.Target, conn *grpc.ClientConn) (*schema.Schema, error) {
	engine, err := openfga.New(openfga.Config{Client: openfgav1.NewOpenFGAServiceClient(conn), StoreID: t.Store, ModelID: t.Model})
	if err != nil {
		return nil, err
	}

	return engine.ReadSchema(ctx)
}

// readSpiceDB reads the schema in SpiceDB's own language, which tells what permissions
// consist of. A server or a key that doesn't give it may still reflect it.
func readSpiceDB(ctx context.Context, t *dial.Target, conn *grpc.ClientConn) (*schema.Schema, error) {
	client := v1.NewSchemaServiceClient(conn)
	response, err := client.ReadSchema(ctx, &v1.ReadSchemaRequest{}, grpc.MaxCallRecvMsgSize(MaxBytes))
	switch status.Code(err) {
	case codes.OK:
		text, err := clean(t.String(), []byte(response.GetSchemaText()))
		if err != nil {
			return nil, err
		}

		return parseZed(nil, source{file: t.String(), text: text})
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
