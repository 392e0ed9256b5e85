package wire

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// The sides. Base and control have no interceptor, and differ in nothing.
const (
	sideBase      = "base"
	sideControl   = "control"
	sideUsher     = "usher"
	sideFirst     = "usher-first-message"
	sideJWX       = "middleware+jwx"
	sideGolangJWT = "middleware+golang-jwt"
)

var sideNames = []string{sideBase, sideControl, sideUsher, sideFirst, sideJWX, sideGolangJWT}

// newSide returns the options of a side's server. What they need is left in
// closers.
func newSide(name string, w world, closers *[]func()) ([]grpc.ServerOption, error) {
	switch name {
	case sideBase, sideControl:
		return nil, nil
	case sideUsher:
		return newUsher(w, authzv1.MessageCheck_MESSAGE_CHECK_EACH_MESSAGE, closers)
	case sideFirst:
		return newUsher(w, authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE, closers)
	case sideJWX:
		return newJWX(w)
	case sideGolangJWT:
		return newGolangJWT(w)
	default:
		return nil, errors.New("no side " + name)
	}
}

// newUsher is the whole of usher: tokens are verified, and a relation is checked
// for the object that the message names. The decision cache is on.
func newUsher(w world, messages authzv1.MessageCheck, closers *[]func()) ([]grpc.ServerOption, error) {
	verifier, err := verify.NewJWT(verify.JWTConfig{
		Issuer: w.Issuer, IssuerName: "main", Audiences: []string{audience}, JWKSURL: w.JWKSURL,
	})
	if err != nil {
		return nil, err
	}
	*closers = append(*closers, func() { _ = verifier.Close() })
	viewer := func(stream *authzv1.Stream) *authzv1.Rule {
		return &authzv1.Rule{
			Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: "document:{value}", Relation: "viewer"}},
			Stream: stream,
		}
	}
	authorizer, err := authz.New(authz.Config{
		Issuers:  verifier,
		Engine:   authztest.NewEngine("document:" + document + "#viewer@user:alice"),
		Subjects: authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"},
		Rules: []authz.MethodRule{
			{Selector: "testing.testpb.v1.TestService/Ping", Rule: viewer(nil)},
			{Selector: "testing.testpb.v1.TestService/PingClientStream", Rule: viewer(&authzv1.Stream{MessageCheck: messages})},
		},
		Cache: authz.CacheConfig{Size: 10_000, TTL: 12 * time.Hour},
	})
	if err != nil {
		return nil, err
	}
	auth, err := interceptor.New(interceptor.Config{Verifier: verifier, Authorizer: authorizer})
	if err != nil {
		return nil, err
	}
	return auth.ServerOptions(), nil
}

// service answers at once.
type service struct {
	testpb.UnimplementedTestServiceServer
}

func (service) Ping(_ context.Context, req *testpb.PingRequest) (*testpb.PingResponse, error) {
	return &testpb.PingResponse{Value: req.GetValue()}, nil
}

// PingClientStream counts the messages.
func (service) PingClientStream(stream grpc.ClientStreamingServer[testpb.PingClientStreamRequest, testpb.PingClientStreamResponse]) error {
	for n := int32(0); ; n++ {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return stream.SendAndClose(&testpb.PingClientStreamResponse{Counter: n})
		} else if err != nil {
			return err
		}
	}
}
