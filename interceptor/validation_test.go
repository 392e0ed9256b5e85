package interceptor_test

import (
	"errors"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
	"github.com/usher-auth/usher/credentials/verify"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A rule that demands a validation which the verifier can't do is a fault at start,
// not at each call. A verifier that doesn't say what it can do isn't judged.
func TestValidateServerJudgesTheVerifier(t *testing.T) {
	issuerOf := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
	config := verify.JWTConfig{Issuer: issuerOf.URL(), IssuerName: issuer, Audiences: []string{"a"}}
	other := verify.JWTConfig{Issuer: "https://b.test", IssuerName: "b", Audiences: []string{"a"}}
	introspection := verify.IntrospectionConfig{
		URL: issuerOf.URL() + "/introspect", Issuer: issuerOf.URL(), IssuerName: issuer, Audiences: []string{"a"}, ClientID: "c",
		Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
	}
	hybrid := func() *verify.Hybrid {
		return made(verify.NewHybrid(verify.HybridConfig{JWT: made(verify.NewJWT(config)), Introspection: made(verify.NewIntrospection(introspection))}))
	}
	local, introspect := authzv1.Validation_VALIDATION_LOCAL, authzv1.Validation_VALIDATION_INTROSPECT
	for name, c := range map[string]struct {
		verifier          verify.Verifier
		local, introspect bool // whether it can
	}{
		"JWT":           {made(verify.NewJWT(config)), true, false},
		"introspection": {made(verify.NewIntrospection(introspection)), false, true},
		"hybrid":        {hybrid(), true, true},
		"issuers":       {made(verify.NewMultiIssuer(made(verify.NewJWT(config)), made(verify.NewJWT(other)))), true, false},
		"one can":       {made(verify.NewMultiIssuer(hybrid(), made(verify.NewJWT(other)))), true, true},
		"foreign":       {newWorld(t), true, true},
	} {
		for way, can := range map[authzv1.Validation]bool{local: c.local, introspect: c.introspect, authzv1.Validation_VALIDATION_UNSPECIFIED: true} {
			rule := check("document:{value}")
			rule.AccessToken = &authzv1.AccessToken{Validation: way}
			auth := newInterceptor(t, newWorld(t), setupConfig{
				rules: rules{"*": authenticated(), "Ping": rule},
				config: func(p *parts) {
					p.Verifier, p.authz.Issuers = c.verifier, nil
					p.authz.Subjects = authz.Subjects{User: "user:{$issuer}/{$sub}", Service: "service:{$issuer}/{$client_id}"}
				},
			})
			server := grpc.NewServer(auth.ServerOptions()...)
			testpb.RegisterTestServiceServer(server, &testpb.TestPingService{})
			err := auth.ValidateServer(server)
			var fault *authz.RuleError
			switch {
			case can && err != nil:
				t.Errorf("%s, %v: %v", name, way, err)
			case !can && (!errors.As(err, &fault) || fault.Path != "rule.access_token.validation" || fault.Method != service[:len(service)-1]+"/Ping" || fault.Fix == ""):
				t.Errorf("%s, %v: %v", name, way, err)
			}
		}
		if closer, ok := c.verifier.(interface{ Close() error }); ok {
			_ = closer.Close()
		}
	}
}

func made[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}

	return value
}
