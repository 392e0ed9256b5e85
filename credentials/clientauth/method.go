package clientauth

import (
	"errors"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

// Method is how a client authenticates to an authorization server. It is chosen
// and never probed. The functions of this package make all there are; what they
// are given is used again at each request, so that a secret, key or certificate
// that changes needs no restart. A Method is safe for concurrent use.
type Method interface {
	authn.Method
}

var errNoClientID = errors.New("the client id is empty")
