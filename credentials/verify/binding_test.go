package verify

import (
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// An endpoint that leaves cnf out of its answer must not make a bearer token of
// a JWT that is bound: what the token says itself holds.
func TestIntrospectedJWTKeepsItsBinding(t *testing.T) {
	cert := &x509.Certificate{Raw: []byte("not really a certificate")}
	other := &x509.Certificate{Raw: []byte("another one")}
	bound := func(c *x509.Certificate) object {
		sum := sha256.Sum256(c.Raw)
		return object{"x5t#S256": b64(sum[:])}
	}
	payload := func(cnf string) credentialstest.MintConfig {
		return credentialstest.MintConfig{RawPayload: `{"sub":"alice",` + cnf + `"x":1}`}
	}
	for name, c := range map[string]struct {
		mint   func(*credentialstest.Issuer) string
		answer object // members of the answer
		peer   *x509.Certificate
		want   *Error
	}{
		"no binding":                 {func(i *credentialstest.Issuer) string { return i.Mint(nil) }, nil, nil, nil},
		"bound, this certificate":    {func(i *credentialstest.Issuer) string { return i.Mint(object{"cnf": bound(cert)}) }, nil, cert, nil},
		"bound, another certificate": {func(i *credentialstest.Issuer) string { return i.Mint(object{"cnf": bound(cert)}) }, nil, other, errBinding},
		"bound, no certificate":      {func(i *credentialstest.Issuer) string { return i.Mint(object{"cnf": bound(cert)}) }, nil, nil, errNoCertificate},
		"answer null":                {func(i *credentialstest.Issuer) string { return i.Mint(object{"cnf": bound(cert)}) }, object{"cnf": nil}, nil, errNoCertificate},
		"answer the same":            {func(i *credentialstest.Issuer) string { return i.Mint(object{"cnf": bound(cert)}) }, object{"cnf": bound(cert)}, cert, nil},
		"answer another":             {func(i *credentialstest.Issuer) string { return i.Mint(object{"cnf": bound(cert)}) }, object{"cnf": bound(other)}, other, errMismatch},
		"only the answer":            {func(i *credentialstest.Issuer) string { return i.Mint(nil) }, object{"cnf": bound(cert)}, nil, errNoCertificate},
		"DPoP":                       {func(i *credentialstest.Issuer) string { return i.Mint(object{"cnf": object{"jkt": "x"}}) }, nil, nil, errConfirmation},
		"DPoP beside a certificate":  {func(i *credentialstest.Issuer) string { return i.Mint(object{"cnf": object{"jkt": "x"}}) }, object{"cnf": bound(cert)}, cert, errConfirmation},
		"null in the token":          {func(i *credentialstest.Issuer) string { return i.MintWith(payload(`"cnf":null,`)) }, nil, nil, errConfirmation},
		"no object":                  {func(i *credentialstest.Issuer) string { return i.MintWith(payload(`"cnf":"x",`)) }, nil, nil, errConfirmation},
		"twice":                      {func(i *credentialstest.Issuer) string { return i.MintWith(payload(`"cnf":{},"cnf":{},`)) }, nil, nil, errClaimsJSON},
		"capitals":                   {func(i *credentialstest.Issuer) string { return i.MintWith(payload(`"CNF":{"jkt":"x"},`)) }, nil, nil, errClaimsMember},
		"a payload that can't be read": {func(i *credentialstest.Issuer) string {
			return i.MintWith(credentialstest.MintConfig{RawPayload: `{"cnf":`})
		}, nil, nil, errClaimsJSON},
		"an opaque token with two dots": {func(*credentialstest.Issuer) string { return "abc.def.ghi" }, nil, nil, nil},
	} {
		t.Run("row 21: "+name, func(t *testing.T) {
			issuer, in := memoryIntrospection(t)
			body := object{"active": true, "sub": "alice", "client_id": "web", "aud": credentialstest.DefaultAudience}.with(c.answer)
			issuer.Script(introspectAt, credentialstest.Body(200, "application/json", jsonOf(body)))
			token := c.mint(issuer)
			for range 2 { // the second is from a cache
				p, err := in.Verify(t.Context(), token, Requirements{PeerCertificate: c.peer})
				if asCause(err) != c.want || c.want == nil && err != nil {
					t.Fatalf("row 21: got %v", err)
				}
				if err != nil {
					e, _ := asError(err)
					if wrong := c.want == errBinding || c.want == errNoCertificate; wrong && (e.Unverified == nil || e.Unverified.Subject != "alice") {
						t.Errorf("row 21: nothing says whose token it was: %+v", e.Unverified)
					}
					continue
				}
				if _, has := p.CertificateThumbprint(); has != (c.peer != nil) {
					t.Errorf("row 21: bound: %t", has)
				}
			}
			if n := issuer.Requests(introspectAt); n != 1 {
				t.Errorf("row 21: %d requests", n)
			}
		})
	}
}
