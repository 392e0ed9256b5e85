package openfgaserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	httpmiddleware "github.com/openfga/openfga/pkg/middleware/http"
	"github.com/openfga/openfga/pkg/server"
	servererrors "github.com/openfga/openfga/pkg/server/errors"
	"google.golang.org/grpc/status"
)

// AuthZEN is the server option that turns OpenFGA's experimental AuthZEN
// endpoints on.
func AuthZEN() server.OpenFGAServiceV1Option { return server.WithExperimentals("authzen") }

// ServeAuthZEN serves OpenFGA's AuthZEN endpoints over HTTP on loopback, as its
// own binary does, and returns the store's base URL.
func (s *Server) ServeAuthZEN(tb testing.TB) string {
	tb.Helper()
	// OpenFGA's own codes are no gRPC codes: its binary turns them into statuses so.
	mux := runtime.NewServeMux(runtime.WithErrorHandler(
		func(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
			code := servererrors.ConvertToEncodedErrorCode(status.Convert(err))
			httpmiddleware.CustomHTTPErrorHandler(ctx, w, r, servererrors.NewEncodedError(code, err.Error()))
		}))
	if err := authzenv1.RegisterAuthZenServiceHandlerServer(context.Background(), mux, s.API); err != nil {
		tb.Fatalf("registering AuthZEN: %v", err)
	}
	front := httptest.NewServer(mux)
	tb.Cleanup(front.Close)

	return front.URL + "/stores/" + s.StoreID
}
