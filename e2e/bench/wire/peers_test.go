package wire

import (
	"context"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/lestrrat-go/jwx/v2/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fetchTimeout bounds the peers' one fetch of the keys.
const fetchTimeout = 10 * time.Second

type claimsKey struct{}

// newMiddleware is go-grpc-middleware's authentication around a function that
// verifies a token. It authorizes nothing.
func newMiddleware(verify func(token string) (any, error)) []grpc.ServerOption {
	authenticate := func(ctx context.Context) (context.Context, error) {
		token, err := auth.AuthFromMD(ctx, "bearer")
		if err != nil {
			return nil, err
		}
		claims, err := verify(token)
		if err != nil {
			return nil, status.Error(codes.Unauthenticated, "the token is invalid")
		}
		return context.WithValue(ctx, claimsKey{}, claims), nil
	}
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(auth.UnaryServerInterceptor(authenticate)),
		grpc.ChainStreamInterceptor(auth.StreamServerInterceptor(authenticate)),
	}
}

func fetchKeys(w world) (jwk.Set, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	return jwk.Fetch(ctx, w.JWKSURL)
}

// newJWX verifies with jwt.Parse, as the documentation of jwx shows it.
func newJWX(w world) ([]grpc.ServerOption, error) {
	keys, err := fetchKeys(w)
	if err != nil {
		return nil, err
	}
	return newMiddleware(func(token string) (any, error) {
		return jwxjwt.ParseString(token, jwxjwt.WithKeySet(keys), jwxjwt.WithIssuer(w.Issuer), jwxjwt.WithAudience(audience))
	}), nil
}

// newGolangJWT verifies with golang-jwt.
func newGolangJWT(w world) ([]grpc.ServerOption, error) {
	set, err := fetchKeys(w)
	if err != nil {
		return nil, err
	}
	keys := map[string]any{}
	for i := range set.Len() {
		key, _ := set.Key(i)
		var raw any
		if err := key.Raw(&raw); err != nil {
			return nil, err
		}
		keys[key.KeyID()] = raw
	}
	find := func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return keys[kid], nil
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(w.Issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return newMiddleware(func(token string) (any, error) { return parser.Parse(token, find) }), nil
}
