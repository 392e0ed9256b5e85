package engine

import (
	"context"
	"net/http"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	httpmiddleware "github.com/openfga/openfga/pkg/middleware/http"
	servererrors "github.com/openfga/openfga/pkg/server/errors"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/examples/quickstart/demo/internal/outage"
)

// readHeaderTimeout bounds a request's header.
const readHeaderTimeout = 10 * time.Second

// serveAuthZEN serves OpenFGA's AuthZEN API, which it calls experimental, over HTTP, as
// its own program does.
func (s *Server) serveAuthZEN() error {
	// OpenFGA's own codes aren't gRPC's; its program makes HTTP's of them like this.
	mux := runtime.NewServeMux(runtime.WithErrorHandler(
		func(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
			code := servererrors.ConvertToEncodedErrorCode(status.Convert(err))
			httpmiddleware.CustomHTTPErrorHandler(ctx, w, r, servererrors.NewEncodedError(code, err.Error()))
		}))
	if err := authzenv1.RegisterAuthZenServiceHandlerServer(context.Background(), mux, s.fga); err != nil {
		return err
	}
	listener, err := outage.Listen("")
	if err != nil {
		return err
	}
	s.authzen, s.authzenListener = &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}, listener
	go func() { s.authzenServed <- s.authzen.Serve(listener) }()
	return nil
}

// AuthZEN is the URL of the store's AuthZEN API.
func (s *Server) AuthZEN() string {
	return "http://" + s.authzenListener.Addr().String() + "/stores/" + s.storeID
}
