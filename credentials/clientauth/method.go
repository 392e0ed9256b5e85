package clientauth

import "github.com/usher-auth/usher/credentials/internal/authn"

// Method is how a client authenticates to an authorization server. Only the
// functions of this package return Methods. A Method reads its secret, key or
// certificate again at each request, so that changing one needs no restart. A
// Method is safe for concurrent use.
type Method interface {
	authn.Method
}
