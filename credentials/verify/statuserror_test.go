package verify

import (
	"net/http"
	"strings"
	"testing"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// A 400 whose code is about the token refuses it, and is remembered.
func TestErrorsThatAreTheTokens(t *testing.T) {
	for _, code := range []string{"unsupported_token_type", "invalid_token"} {
		t.Run("row 38: "+code, func(t *testing.T) {
			issuer, in := memoryIntrospection(t)
			issuer.Script(introspectAt, credentialstest.Always(credentialstest.Error(400, code)))
			for range 5 {
				e := refuse(t, in, "opaque", code, tokenInvalid)
				if e.Kind != CredentialFault || !strings.Contains(e.Err.Error(), code) || strings.Contains(e.Error(), code) {
					t.Errorf("row 38: %v, cause %v", e, e.Err)
				}
			}
			if n := issuer.Requests(introspectAt); n != 1 {
				t.Errorf("row 38: asked %d times", n)
			}
		})
	}
}

// Any other refusal is an outage for this call alone, and its cause says what to
// look at, but nothing of the body.
func TestCauseNamesTheSetting(t *testing.T) {
	const secret = "a-secret-of-the-body"
	body := func(text string) credentialstest.Fault { return credentialstest.Body(400, "application/json", text) }
	for name, c := range map[string]struct {
		fault credentialstest.Fault
		want  []string
	}{
		"400 invalid_request":        {credentialstest.Error(400, "invalid_request"), []string{"400", "invalid_request", "IntrospectionConfig.URL", "Auth"}},
		"400 invalid_client":         {credentialstest.Error(400, "invalid_client"), []string{"400", "invalid_client", "IntrospectionConfig.ClientID"}},
		"400 unauthorized_client":    {credentialstest.Error(400, "unauthorized_client"), []string{"unauthorized_client", "may introspect"}},
		"401":                        {credentialstest.Error(401, "invalid_client"), []string{"401", "invalid_client", "IntrospectionConfig.ClientID and Auth"}},
		"401 invalid_token":          {credentialstest.Error(401, "invalid_token"), []string{"401", "invalid_token", "IntrospectionConfig.ClientID"}},
		"403":                        {credentialstest.Status(403, ""), []string{"403", "IntrospectionConfig.ClientID"}},
		"404":                        {credentialstest.Status(404, ""), []string{"404", "IntrospectionConfig.URL"}},
		"302":                        {credentialstest.Redirect(302, "https://"+secret+".test/"), []string{"302", "IntrospectionConfig.URL", "redirect"}},
		"429":                        {credentialstest.Status(429, ""), []string{"429"}},
		"500":                        {credentialstest.Error(500, "unsupported_token_type"), []string{"500"}},
		"an unregistered code":       {credentialstest.Error(400, secret), []string{"400"}},
		"two codes":                  {body(`{"error":"` + secret + `","error":"unsupported_token_type"}`), []string{"400"}},
		"a code that is no string":   {body(`{"error":["unsupported_token_type"]}`), []string{"400"}},
		"a code in capitals":         {body(`{"Error":"unsupported_token_type"}`), []string{"400"}},
		"a code, then more":          {body(`{"error":"unsupported_token_type"} ` + secret), []string{"400"}},
		"a code within a large body": {body(`{"error":"unsupported_token_type","x":"` + strings.Repeat(secret, 1000) + `"}`), []string{"400"}},
		"a page":                     {credentialstest.Body(400, "text/html", "<p>"+secret), []string{"400"}},
		"no body":                    {credentialstest.Status(400, ""), []string{"400"}},
	} {
		t.Run("row 38: "+name, func(t *testing.T) {
			issuer, in := memoryIntrospection(t)
			issuer.Script(introspectAt, c.fault)
			e := refuse(t, in, "opaque", name, unavailableNow)
			text := e.Err.Error()
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("row 38: the cause %q doesn't say %q", text, want)
				}
			}
			if strings.Contains(text, secret) {
				t.Errorf("row 38: the cause %q quotes the answer", text)
			}
			accept(t, in, issuer.MintOpaque(nil), "row 38: another token")
		})
	}
}

func TestCauseNamesTheEndpoint(t *testing.T) {
	issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.URL += "?key=" + testSecret })
	issuer.Down()
	text := refuse(t, in, "opaque", "row 38", unavailableNow).Err.Error()
	if !strings.Contains(text, "IntrospectionConfig.URL "+issuer.IntrospectURL()) || strings.Contains(text, testSecret) {
		t.Errorf("row 38: %q", text)
	}
}

func TestSecretSourceIsNamed(t *testing.T) {
	_, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.Auth = unreadable() })
	if e := refuse(t, in, "opaque", "row 38", unavailableNow); !strings.Contains(e.Err.Error(), "IntrospectionConfig.Auth") {
		t.Errorf("row 38: %v", e.Err)
	}
	if statusOf(&authError{http.ErrAbortHandler}) != 0 || unwell(&authError{http.ErrAbortHandler}) {
		t.Error("row 38: our own fault counts against the endpoint")
	}
}
