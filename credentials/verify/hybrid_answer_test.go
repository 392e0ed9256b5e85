package verify

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// An answer needs to say no more than active of a JWT that was verified locally.
func TestHybridTakesActiveAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		h := hybridOf(t, issuer)
		token := issuer.Mint(object{"sub": "alice", "client_id": "web", "scope": "a b", "exp": time.Now().Unix() + 20})
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Body(200, "application/json", `{"active":true}`)))
		for range 3 {
			p, err := h.Verify(t.Context(), token, introspected)
			if err != nil {
				t.Fatalf("row 37: %v", err)
			}
			if p.Subject() != "alice" || p.ClientID() != "web" || !p.HasScope("b") || !p.ValidUntil().Equal(p.ExpiresAt().Add(defaultLeeway)) {
				t.Errorf("row 37: got %v, valid until %v", p, p.ValidUntil())
			}
		}
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 37: %d requests", n)
		}
		time.Sleep(20 * time.Second)
		issuer.Script(introspectAt, credentialstest.Body(200, "application/json", `{"active":false}`))
		if _, err := h.Verify(t.Context(), token, introspected); asCause(err) != errInactive {
			t.Errorf("row 39: the entry outlives the token's exp: %v", err)
		}
	})
}

// What proves by the profile that a JWT is an access token needs no proof again
// by the answer; what speaks against it counts.
func TestHybridAnswerUnderAProfile(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   *Error
	}{
		"active alone":      {`{"active":true}`, nil},
		"an access token":   {`{"active":true,"token_type":"Bearer"}`, nil},
		"a refresh token":   {`{"active":true,"token_use":"refresh_token"}`, errClaimsUse},
		"another client":    {`{"active":true,"client_id":"other"}`, errMismatch},
		"the audience null": {`{"active":true,"aud":null}`, nil},
	} {
		t.Run("row 37: "+name, func(t *testing.T) {
			issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
			h, err := NewHybrid(HybridConfig{
				JWT:           verifierOf(t, issuer, func(c *JWTConfig) { c.Profile = NodeOIDCProvider() }),
				Introspection: introspectionOf(t, issuer, func(c *IntrospectionConfig) { c.Profile = NodeOIDCProvider() }),
			})
			if err != nil {
				t.Fatal(err)
			}
			issuer.Script(introspectAt, credentialstest.Body(200, "application/json", c.answer))
			if _, err := h.Verify(t.Context(), issuer.Mint(nil), introspected); asCause(err) != c.want || c.want == nil && err != nil {
				t.Errorf("row 37: %v", err)
			}
		})
	}
}

// A verifier that is used both ways keeps the two verdicts apart: what rests on
// the locally verified claims is no verdict on the answer alone.
func TestHybridsVerdictIsItsOwn(t *testing.T) {
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
	h := hybridOf(t, issuer)
	token := issuer.Mint(nil)
	issuer.Script(introspectAt, credentialstest.Always(credentialstest.Body(200, "application/json", `{"active":true}`)))
	for range 2 {
		if _, err := h.Verify(t.Context(), token, introspected); err != nil {
			t.Errorf("row 37: hybrid: %v", err)
		}
		if _, err := h.in.Verify(t.Context(), token, Requirements{}); asCause(err) != errClaimsAudience {
			t.Errorf("row 37: the answer alone: %v", err)
		}
	}
}

// What the answer does say must be true of the token.
func TestHybridAnswerMayNotContradict(t *testing.T) {
	cert := &x509.Certificate{Raw: []byte("not really a certificate")}
	sum := sha256.Sum256(cert.Raw)
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		answer object
		want   *Error
	}{
		"iss":                    {object{"iss": "https://evil.test"}, errClaimsIssuer},
		"aud":                    {object{"aud": "https://other.test"}, errClaimsAudience},
		"aud empty":              {object{"aud": []string{}}, errClaimsAudience},
		"aud a superset of ours": {object{"aud": []string{"https://other.test", credentialstest.DefaultAudience}}, nil},
		"sub":                    {object{"sub": "root"}, errMismatch},
		"client_id":              {object{"client_id": "other"}, errMismatch},
		"jti":                    {object{"jti": "other"}, errMismatch},
		"another actor":          {object{"act": object{"sub": "mallory"}}, errMismatch},
		"the actor":              {object{"act": object{"sub": "agent"}}, nil},
		"expired":                {object{"exp": now - 3600}, errExpired},
		"nbf in the future":      {object{"nbf": now + 3600}, errClaimsNotYet},
		"a refresh token":        {object{"token_type": "refresh_token"}, errClaimsUse},
		"a binding":              {object{"cnf": object{"x5t#S256": b64(sum[:])}}, errNoCertificate},
		"DPoP":                   {object{"cnf": object{"jkt": "x"}}, errConfirmation},
		"null":                   {object{"sub": nil, "aud": nil, "exp": nil, "act": nil, "cnf": nil}, nil},
	} {
		t.Run("row 37: "+name, func(t *testing.T) {
			issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
			h := hybridOf(t, issuer)
			token := issuer.Mint(object{"act": object{"sub": "agent", "client_id": "agents"}})
			issuer.Script(introspectAt, credentialstest.Always(credentialstest.Body(200, "application/json", jsonOf(object{"active": true}.with(c.answer)))))
			for range 2 { // the second is from a cache
				if _, err := h.Verify(t.Context(), token, introspected); asCause(err) != c.want || c.want == nil && err != nil {
					t.Fatalf("row 37: got %v", err)
				}
			}
			if n := issuer.Requests(introspectAt); n != 1 {
				t.Errorf("row 37: %d requests", n)
			}
		})
	}
	t.Run("row 37: an actor that the token doesn't have", func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		h := hybridOf(t, issuer)
		issuer.Script(introspectAt, credentialstest.Body(200, "application/json", `{"active":true,"act":{"sub":"mallory"}}`))
		if _, err := h.Verify(t.Context(), issuer.Mint(nil), introspected); asCause(err) != errMismatch {
			t.Errorf("row 37: %v", err)
		}
	})
}

// event is what a test compares of an event.
type event struct {
	observer, issuer string
	source           Source
	ok               bool
}

type eventLog struct {
	mu  sync.Mutex
	all []event
}

func (l *eventLog) observer(name string) Observer {
	return Observer{Verified: func(e Verified) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, event{name, e.Issuer, e.Source, e.Err == nil})
	}}
}

func (l *eventLog) take() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.all
	l.all = nil
	return out
}

// Each call is one event, whose outcome is the call's.
func TestOneCallIsOneEvent(t *testing.T) {
	var log eventLog
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
	other := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, URL: "https://other.test"})
	in := introspectionOf(t, issuer, func(c *IntrospectionConfig) { c.IssuerName, c.Observer = "main", log.observer("introspection") })
	jwt := verifierOf(t, issuer, func(c *JWTConfig) { c.IssuerName, c.Observer = "main", log.observer("jwt") })
	h, err := NewHybrid(HybridConfig{JWT: jwt, Introspection: in})
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMultiIssuer(h, verifierOf(t, other, func(c *JWTConfig) { c.IssuerName, c.Observer = "other", log.observer("other") }))
	if err != nil {
		t.Fatal(err)
	}
	answer := func(body string) { issuer.Script(introspectAt, credentialstest.Body(200, "application/json", body)) }
	good, opaque := issuer.Mint(nil), issuer.MintOpaque(nil)
	for name, c := range map[string]struct {
		prepare func()
		token   string
		req     Requirements
		want    event
	}{
		"mismatch":          {func() { answer(`{"active":true,"sub":"root"}`) }, issuer.Mint(nil), introspected, event{"jwt", "main", SourceIntrospection, false}},
		"inactive":          {func() { answer(`{"active":false}`) }, issuer.Mint(nil), introspected, event{"jwt", "main", SourceIntrospection, false}},
		"confirmed":         {nil, issuer.Mint(nil), introspected, event{"jwt", "main", SourceIntrospection, true}},
		"no verdict":        {func() { answer(`{`) }, issuer.Mint(nil), introspected, event{"jwt", "main", SourceIntrospection, false}},
		"refused locally":   {nil, issuer.Mint(object{"aud": "https://x.test"}), introspected, event{"jwt", "main", SourceLocal, false}},
		"local":             {nil, issuer.Mint(nil), Requirements{}, event{"jwt", "main", SourceLocal, true}},
		"opaque":            {nil, issuer.MintOpaque(nil), introspected, event{"introspection", "main", SourceIntrospection, true}},
		"opaque, made up":   {nil, "made-up", Requirements{}, event{"introspection", "main", SourceIntrospection, false}},
		"opaque, but local": {nil, opaque, Requirements{Validation: ValidationLocal}, event{"jwt", "main", SourceLocal, false}},
	} {
		for kind, v := range map[string]Verifier{"hybrid": h, "issuers": m} {
			if c.prepare != nil {
				c.prepare()
			}
			_, err := v.Verify(t.Context(), c.token, c.req)
			want := c.want
			want.ok = err == nil
			got := log.take()
			// The second verifier may find the token in a cache of the first one.
			if len(got) == 1 && got[0].source == SourceCache {
				got[0].source = want.source
			}
			if (err == nil) != c.want.ok || !slices.Equal(got, []event{want}) {
				t.Errorf("%s, %s: %v reported as %v, want %v", kind, name, err, got, want)
			}
			issuer.Heal(introspectAt)
		}
	}
	for range 2 {
		if _, err := h.Verify(t.Context(), good, introspected); err != nil {
			t.Fatal(err)
		}
	}
	if got := log.take(); len(got) != 2 || got[1].source != SourceCache {
		t.Errorf("a remembered answer is reported as %v", got)
	}
	if _, err := m.Verify(t.Context(), other.Mint(nil), introspected); asCause(err) != errOtherIssuer {
		t.Error(err)
	}
	if got := log.take(); !slices.Equal(got, []event{{"other", "other", 0, false}}) {
		t.Errorf("an issuer without introspection is reported as %v", got)
	}
}
