package interceptortest

import (
	"maps"
	"time"

	"github.com/usher-auth/usher/credentials/verify"
)

// Issuer is the issuer of the principals that this package makes.
const Issuer = "https://issuer.test"

// IssuerName is the short name of Issuer: the value of {$issuer}. A principal
// whose "iss" [With] sets otherwise has that as its name.
const IssuerName = "test"

// defaultLife is how long a principal's token lives unless ExpiresIn says.
const defaultLife = time.Hour

// Claim sets a claim of a principal, over what [User] and [Service] set.
type Claim func(claims map[string]any)

// With sets any claim.
func With(name string, value any) Claim {
	return func(claims map[string]any) { claims[name] = value }
}

// Scopes sets the token's scopes, separated by spaces.
func Scopes(scopes string) Claim { return With("scope", scopes) }

// ExpiresIn sets how long the token lives from now on, in whole seconds. Default:
// an hour.
func ExpiresIn(life time.Duration) Claim {
	return func(claims map[string]any) { claims["exp"] = time.Now().Add(life).Unix() }
}

// User returns a user who calls through the client "test-client". It panics on
// claims that no token can have.
func User(sub string, claims ...Claim) *verify.Principal {
	return principal(map[string]any{"sub": sub, "client_id": "test-client"}, claims)
}

// Service returns a service that acts for itself. It panics on claims that no
// token can have.
func Service(clientID string, claims ...Claim) *verify.Principal {
	return principal(map[string]any{"sub": clientID, "client_id": clientID}, claims)
}

func principal(identity map[string]any, more []Claim) *verify.Principal {
	claims := map[string]any{
		"iss": Issuer, "aud": "test", "iat": time.Now().Unix(), "exp": time.Now().Add(defaultLife).Unix(),
	}
	maps.Copy(claims, identity)
	for _, set := range more {
		set(claims)
	}
	cfg := verify.PrincipalConfig{Claims: claims}
	if claims["iss"] == Issuer {
		cfg.IssuerName = IssuerName
	}
	p, err := verify.NewPrincipal(cfg)
	if err != nil {
		panic("interceptortest: " + err.Error())
	}

	return p
}
