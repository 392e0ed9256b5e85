package engines

import (
	"errors"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/usher-auth/usher/authz/cmd/internal/dial"
	"github.com/usher-auth/usher/authz/openfga"
	"github.com/usher-auth/usher/authz/spicedb"
)

func openOpenFGA(t *dial.Target, config Config) (*Opened, error) {
	conn, err := t.GRPC(config.Getenv)
	if err != nil {
		return nil, err
	}
	engine, err := openfga.New(openfga.Config{
		Client: openfgav1.NewOpenFGAServiceClient(conn), StoreID: t.Store, ModelID: t.Model, Timeout: config.Timeout,
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}

	return &Opened{Engine: engine, close: conn.Close}, nil
}

func openSpiceDB(t *dial.Target, config Config) (*Opened, error) {
	conn, err := t.GRPC(config.Getenv)
	if err != nil {
		return nil, err
	}
	engine, err := spicedb.New(spicedb.Config{
		Client: v1.NewPermissionsServiceClient(conn), EncodeIDs: t.EncodeIDs, Timeout: config.Timeout,
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}

	return &Opened{Engine: engine, close: conn.Close}, nil
}
