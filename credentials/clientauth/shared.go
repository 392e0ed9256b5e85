package clientauth

import (
	"context"
	"errors"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

// SecretBasic sends the client id and secret in the Authorization header, which
// every server must support (client_secret_basic, RFC 6749 §2.3.1).
func SecretBasic(secret Secret) Method { return sharedSecret{secret: secret, basic: true} }

// SecretPost sends the client id and secret in the form, for servers that
// require it (client_secret_post).
func SecretPost(secret Secret) Method { return sharedSecret{secret: secret} }

type sharedSecret struct {
	secret Secret
	basic  bool
}

func (s sharedSecret) Check(clientID string, _ authn.Endpoint) []error {
	var faults []error
	if s.secret == nil {
		faults = append(faults, errors.New("the client secret has no source: the Secret is nil"))
	}
	if clientID == "" {
		faults = append(faults, authn.ErrNoClientID)
	}
	return faults
}

func (s sharedSecret) Prove(ctx context.Context, clientID string, _ authn.Endpoint) (authn.Proof, error) {
	secret, err := authn.Value(ctx, s.secret, "the client secret")
	if err != nil {
		return authn.Proof{}, err
	}
	return authn.Proof{Basic: s.basic, ClientID: clientID, Secret: secret}, nil
}
