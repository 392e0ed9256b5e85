package e2e

import (
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/usher-auth/usher/credentials/verify"
)

// verifiers are the ways to validate a token, with the forms of token that each
// takes.
var verifiers = map[string]struct {
	make    func(*system) verify.Verifier
	opaques []bool
}{
	"jwt":           {func(s *system) verify.Verifier { return s.newJWT() }, []bool{false}},
	"introspection": {func(s *system) verify.Verifier { return s.newIntrospection() }, []bool{false, true}},
	"hybrid":        {func(s *system) verify.Verifier { return s.newHybrid() }, []bool{false, true}},
}

func form(opaque bool) string {
	if opaque {
		return "opaque"
	}
	return "jwt"
}

var methods = []string{"client_secret_basic", "private_key_jwt", "tls_client_auth"}

// TestWholeChain goes through every engine, way to validate a token, form of
// token, way to authenticate a client and kind of method: an editor is let in, and a
// stranger who authenticates the same way is not.
func TestWholeChain(t *testing.T) {
	var clients []*client
	for _, method := range methods {
		for _, opaque := range []bool{false, true} {
			clients = append(clients,
				&client{id: method + "-" + form(opaque), method: method, opaque: opaque},
				&client{id: method + "-" + form(opaque) + "-stranger", method: method, opaque: opaque})
		}
	}
	s := newSystem(t, 5*time.Minute, clients...)
	var allowed []string
	for _, method := range methods {
		allowed = append(allowed, method+"-"+form(false), method+"-"+form(true))
	}
	s.allow(allowed...)
	for name, start := range engines {
		s.wholeChain(t, name, start(s, allowed...))
	}
}

// wholeChain is the matrix with one engine.
func (s *system) wholeChain(t *testing.T, engine string, z zanzibar) {
	t.Helper()
	for name, v := range verifiers {
		target := s.guard(v.make(s), guardOptions{engine: z.engine, graph: z.graph})
		for _, opaque := range v.opaques {
			for _, method := range methods {
				id := method + "-" + form(opaque)
				editor, stranger := s.dial(id, target), s.dial(id+"-stranger", target)
				for kind, call := range kinds {
					t.Run(engine+"/"+name+"/"+form(opaque)+"/"+method+"/"+kind, func(t *testing.T) {
						expect(t, call(s.ctx, editor), granted)
						expect(t, call(s.ctx, stranger), denied)
					})
				}
			}
		}
	}
}

// A token that is bound to a certificate is of no use to who holds the token
// alone, whichever way it is validated (RFC 8705 §3).
func TestStolenBoundTokenIsRefused(t *testing.T) {
	s := newSystem(t, 5*time.Minute,
		&client{id: "bound", method: "tls_client_auth"},
		&client{id: "bound-opaque", method: "tls_client_auth", opaque: true},
		&client{id: "thief", method: "tls_client_auth"})
	s.allow("bound", "bound-opaque")
	for name, v := range verifiers {
		target := s.guard(v.make(s), guardOptions{})
		for _, opaque := range v.opaques {
			id := "bound"
			if opaque {
				id = "bound-opaque"
			}
			token := must(s.credentials(id).Token(s.ctx))(t).AccessToken
			for kind, call := range kinds {
				t.Run(name+"/"+form(opaque)+"/"+kind, func(t *testing.T) {
					bearer := grpc.WithPerRPCCredentials(fixed(token))
					expect(t, call(s.ctx, s.connect(target, s.transport(s.clients[id]), bearer)), granted)
					expect(t, call(s.ctx, s.connect(target, s.transport(nil), bearer)), invalid)
					expect(t, call(s.ctx, s.connect(target, s.transport(s.clients["thief"]), bearer)), invalid)
				})
			}
		}
	}
}

// newJWT verifies by signature.
func (s *system) newJWT() *verify.JWT {
	s.t.Helper()
	v := must(verify.NewJWT(s.jwtConfig()))(s.t)
	s.own(v)
	return v
}

// unknownKeyInterval is the shortest that a verifier takes.
const unknownKeyInterval = time.Second

func (s *system) jwtConfig() verify.JWTConfig {
	return verify.JWTConfig{
		Issuer: s.issuer.Issuer(), Audiences: []string{audience}, HTTPClient: s.http,
		UnknownKeyInterval: unknownKeyInterval,
	}
}

// newIntrospection asks the authorization server about each token, as a client
// of its own that authenticates by private_key_jwt.
func (s *system) newIntrospection() *verify.Introspection {
	s.t.Helper()
	v := must(verify.NewIntrospection(s.introspectionConfig()))(s.t)
	s.own(v)
	return v
}

func (s *system) introspectionConfig() verify.IntrospectionConfig {
	return verify.IntrospectionConfig{
		URL: s.issuer.IntrospectionURL(), Issuer: s.issuer.Issuer(), Audiences: []string{audience},
		ClientID: serverID, Auth: keyAuth(serverID, s.docsKey), HTTPClient: s.http,
	}
}

// newHybrid verifies JWTs by signature and asks about the others.
func (s *system) newHybrid() *verify.Hybrid {
	s.t.Helper()
	v := must(verify.NewHybrid(verify.HybridConfig{JWT: s.newJWT(), Introspection: s.newIntrospection()}))(s.t)
	return v
}
