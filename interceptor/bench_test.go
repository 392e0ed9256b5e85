package interceptor_test

import (
	"context"
	"testing"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials/credentialstest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// warm is an interceptor with a real verifier over a real issuer, a decision
// cache over an engine of tuples, and a token that both know already.
type warm struct {
	auth  *interceptor.Interceptor
	token string
	close func()
}

func newWarm(set rules) (*warm, error) {
	issuer, err := credentialstest.Start(credentialstest.Config{})
	if err != nil {
		return nil, err
	}
	verifier, err := verify.NewJWT(verify.JWTConfig{
		Issuer: issuer.URL(), IssuerName: "main", Audiences: []string{"docs"}, JWKSURL: issuer.JWKSURL(), HTTPClient: issuer.Client(),
	})
	if err != nil {
		issuer.Close()

		return nil, err
	}
	w := &warm{close: func() { _ = verifier.Close(); issuer.Close() }}
	w.token = issuer.Mint(map[string]any{
		"sub": "alice", "client_id": "app", "aud": "docs", "scope": "read write", "exp": time.Now().Add(time.Hour).Unix(),
	})
	w.auth, err = parts{Config: interceptor.Config{Verifier: verifier}, authz: authz.Config{
		Engine: authztest.NewEngine("document:1#viewer@user:alice"), Issuers: verifier, Rules: set.methodRules(),
		Subjects: authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"},
		Cache:    authz.CacheConfig{Size: 10_000, TTL: time.Hour},
	}}.build()
	if err != nil {
		w.close()

		return nil, err
	}

	return w, nil
}

// BenchmarkInterceptor is goal 3: the warm interceptor alone, and beside it the
// same handler without one.
func BenchmarkInterceptor(b *testing.B) {
	w, err := newWarm(byValue())
	if err != nil {
		b.Fatal(err)
	}
	defer w.close()
	ctx := metadata.NewIncomingContext(b.Context(), metadata.Pairs(
		":authority", "docs", "content-type", "application/grpc", "user-agent", "grpc-go", "authorization", "Bearer "+w.token))
	handler := func(context.Context, any) (any, error) { return nil, nil }
	req := &testpb.PingRequest{Value: "1"}
	for _, method := range []string{"Ping", "PingEmpty"} {
		name := map[string]string{"Ping": "rule=check", "PingEmpty": "rule=authenticated"}[method]
		info := &grpc.UnaryServerInfo{FullMethod: "/" + service + method}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.auth.Unary(ctx, req, info, handler); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("refused=malformed", func(b *testing.B) {
		info := &grpc.UnaryServerInfo{FullMethod: "/" + service + "Ping"}
		bad := metadata.NewIncomingContext(b.Context(), metadata.Pairs("authorization", "Bearer a b"))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.auth.Unary(bad, req, info, handler); err == nil {
				b.Fatal("granted")
			}
		}
	})
}
