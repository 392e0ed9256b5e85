package clientauth

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

// assertionType names a JWT as client authentication (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// AssertionFile authenticates with a JWT that the platform writes into a file,
// such as a projected workload identity token. The file is read again at each
// request. The client id is optional, since the assertion names the client (RFC
// 7521 §4.2).
func AssertionFile(path string) Method { return assertionFile{path: path} }

type assertionFile struct{ path string }

func (a assertionFile) Check(string, authn.Endpoint) []error {
	if a.path == "" {
		return []error{errors.New("the assertion file has no path: AssertionFile got an empty one")}
	}
	return nil
}

func (a assertionFile) Prove(ctx context.Context, clientID string, _ authn.Endpoint) (authn.Proof, error) {
	jwt, err := authn.Value(ctx, File(a.path), "the client assertion")
	if err != nil {
		return authn.Proof{}, err
	}
	// A file that is half written, or holds something else, stays here.
	if strings.Count(jwt, ".") != 2 || strings.ContainsFunc(jwt, outsideJWS) {
		return authn.Proof{}, &authn.Error{Text: "the client assertion is not a JWT"}
	}
	return authn.Proof{ClientID: clientID, Params: assertionParams(jwt)}, nil
}

func assertionParams(jwt string) url.Values {
	return url.Values{
		"client_assertion_type": {assertionType},
		"client_assertion":      {jwt},
	}
}

// outsideJWS reports whether r is a character that no JWS compact serialization
// has.
func outsideJWS(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
		return false
	}
	return true
}
