package clientauth

import (
	"context"
	"errors"
)

// SecretBasic sends id and secret in the Authorization header: the way that
// RFC 6749 §2.3.1 obliges every server to support.
func SecretBasic(secret Secret) Method { return sharedSecret{secret: secret, basic: true} }

// SecretPost sends id and secret in the form, for servers that want them there.
func SecretPost(secret Secret) Method { return sharedSecret{secret: secret} }

type sharedSecret struct {
	secret Secret
	basic  bool
}

func (s sharedSecret) check(clientID string, _ Endpoint) error {
	if s.secret == nil {
		return errors.New("the client secret has no source")
	}
	if clientID == "" {
		return errNoClientID
	}
	return nil
}

func (s sharedSecret) prove(ctx context.Context, clientID string, _ Endpoint) (Proof, error) {
	secret, err := s.secret.read(ctx, "the client secret")
	if err != nil {
		return Proof{}, err
	}
	return Proof{Basic: s.basic, ClientID: clientID, Secret: secret}, nil
}

var errNoClientID = errors.New("the client id is empty")
