package verify

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestProfileFaultsAreFoundAtOnce(t *testing.T) {
	t.Parallel()
	always := []Evidence{{{Claim: Path{"sub"}, Test: Present}}}
	for name, c := range map[string]struct {
		profile Profile
		want    string
	}{
		"generic without a proof":          {Profile{Types: []string{"JWT"}}, "AccessToken is required"},
		"no typ without a proof":           {Profile{Types: []string{""}}, "AccessToken is required"},
		"evidence of nothing":              {Profile{Service: []Evidence{{}}}, "Service: one has no condition"},
		"condition without a test":         {Profile{User: []Evidence{{{Claim: Path{"sub"}}}}}, "Test is none of"},
		"condition without a claim":        {Profile{User: []Evidence{{{Test: Present}}}}, "Claim: empty"},
		"condition without values":         {Profile{OtherToken: []Evidence{{{Claim: Path{"a"}, Test: Equals}}}}, "Values"},
		"condition with an empty value":    {Profile{OtherToken: []Evidence{{{Claim: Path{"a"}, Test: Differs, Values: []string{""}}}}}, "Values"},
		"a placeholder that isn't":         {Profile{User: []Evidence{{{Claim: Path{"a"}, Test: Equals, Values: []string{"{$clientid}@clients"}}}}}, `"{$clientid}@clients": the only placeholder is {$client_id}`},
		"values of no use":                 {Profile{User: []Evidence{{{Claim: Path{"a"}, Test: Present, Values: []string{"b"}}}}}, "of no use"},
		"empty path":                       {Profile{ClientID: []Path{{}}}, "ClientID: a path"},
		"empty name":                       {Profile{Roles: []Path{{"a", ""}}}, "Roles: a path"},
		"long path":                        {Profile{Scopes: []Path{slices.Repeat(Path{"a"}, 9)}}, "Scopes: a path"},
		"tolerated events":                 {Profile{Tolerated: []string{"events"}}, `"events" is none of`},
		"subject's prefix without service": {Profile{SubjectPrefix: "x:"}, "Service is required"},
		"trust domain without service":     {Profile{TrustDomain: true}, "Service is required"},
		"trust domain of another issuer":   {Profile{TrustDomain: true, Service: always}, "TrustDomain: Issuer must be"},
		"token issuer alone":               {Profile{TokenIssuer: "https://x.test"}, "TokenIssuer is of no use"},
		"prefix and trust domain":          {Profile{TrustDomain: true, SubjectPrefix: "x:", Service: always}, "contradicts"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := newKeyServer().config()
			cfg.Profile = c.profile
			if v, err := NewJWT(cfg); err == nil || !strings.Contains(err.Error(), "verify: Profile: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want %q", v, err, c.want)
			}
		})
	}
	two := Profile{Types: []string{"JWT"}, Tolerated: []string{"exp"}}
	cfg := newKeyServer().config()
	cfg.Profile = two
	if _, err := NewJWT(cfg); err == nil || strings.Count(err.Error(), "verify: Profile") != 2 {
		t.Errorf("not all at once: %v", err)
	}
	svid := IntrospectionConfig{Profile: SPIFFE(), Issuer: "spiffe://example.org", URL: "https://issuer.test/introspect", Audiences: []string{"a"}}
	if _, err := NewIntrospection(svid); err == nil || !strings.Contains(err.Error(), "JWT-SVID") {
		t.Errorf("got %v", err)
	}
}

// The cause of an unclear kind says what was looked for, and what was there.
func TestKindCauseSaysWhatWasLookedFor(t *testing.T) {
	t.Parallel()
	kind := func(*Principal) Kind { return KindUnclear }
	own := Profile{Service: []Evidence{}, User: []Evidence{{{Claim: Path{"realm", "kind"}, Test: HasPrefix, Values: []string{"h"}}}}}
	for name, c := range map[string]struct {
		profile Profile
		claims  object
		want    []string
	}{
		"Entra without idtyp": {Entra(), object{"sub": "a", "azp": "web", "azpacr": "1"}, []string{
			`profile Microsoft Entra ID found neither`, `Service wants idtyp "app" (absent)`, `User wants scp (absent)`, "issuers.md", "verify.Profile",
		}},
		"Auth0's service": {Auth0(), object{"azp": "web", "scope": "a", "sub": "web@clients"}, []string{`gty "client-credentials" (absent)`, `sub other than "web@clients" ("web@clients")`}},
		"both":            {Profile{Name: "x", Service: []Evidence{{present("sub")}}, User: []Evidence{{present("sub")}}}, object{"sub": "a", "client_id": "b"}, []string{"profile x found both"}},
		"no client":       {Profile{Name: "x", Service: []Evidence{{present("sub")}}, User: []Evidence{}}, object{"sub": "a"}, []string{"no client id in client_id"}},
		"your own":        {own, object{"sub": "a", "client_id": "b", "realm": object{"kind": "m\n" + strings.Repeat("x", 1000)}}, []string{"profile of your own", `realm.kind beginning with "h" ("m\nx`, "Service wants nothing, for there is none"}},
		"RFC 9068":        {Profile{}, object{"sub": "a"}, []string{"profile RFC 9068", `sub ("a")`, "client id in client_id (absent)"}},
		"as Auth0 writes": {Profile{}, object{"sub": "web@clients", "client_id": "web"}, []string{`sub "web@clients"`, "verify.Auth0RFC9068()"}},
		"as Keycloak":     {Profile{}, object{"sub": "a", "client_id": "web", "preferred_username": "service-account-web"}, []string{"verify.Keycloak()"}},
		"a function":      {Profile{Kind: kind}, object{"sub": "a", "client_id": "b"}, []string{"Profile.Kind"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := introspectionWith(t, c.profile)
			verdict, err := in.verdict("opaque", jsonOf(c.claims.with(object{"active": true, "aud": testAudience})), nil, time.Now())
			if err != nil || verdict.Value.principal == nil {
				t.Fatalf("got %v, %v", verdict, err)
			}
			text := verdict.Value.principal.KindCause()
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q doesn't say %q", text, want)
				}
			}
			if len(text) > 1000 || strings.Contains(text, "\n") {
				t.Errorf("not bounded and quoted: %q", text)
			}
		})
	}
	for name, c := range map[string]struct {
		principal *Principal
		want      string
	}{
		"unclear": {must(NewPrincipal(PrincipalConfig{Claims: object{"sub": "alice"}})), "PrincipalConfig.Kind"},
		"clear":   {must(NewPrincipal(PrincipalConfig{Claims: object{"sub": "alice", "client_id": "web"}})), ""},
		"given":   {must(NewPrincipal(PrincipalConfig{Claims: object{"sub": "alice"}, Kind: KindUser})), ""},
		"another": {must(NewPrincipal(PrincipalConfig{Claims: object{"sub": "alice", "client_id": "web"}, Kind: KindService})), ""},
		"zero":    {&Principal{}, "no profile"},
	} {
		if text := c.principal.KindCause(); !strings.Contains(text, c.want) || (text == "") != (c.want == "") {
			t.Errorf("%s: got %q", name, text)
		}
	}
}

// A profile is a value: what its maker changes afterwards changes no verifier.
func TestProfileIsCopied(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	cfg := newKeyServer(key).config()
	cfg.Profile = Okta()
	v := newJWT(t, cfg)
	cfg.Profile.ClientID[0][0] = "evil"
	cfg.Profile.Service[0][0] = Condition{Claim: Path{"sub"}, Test: Present}
	cfg.Profile.Service[0][1] = cfg.Profile.Service[0][0]
	cfg.Profile.AccessToken[0][0].Values[0] = ""
	cfg.Profile.Types[0] = "evil"
	p, err := v.Verify(testContext(t), key.token(goodClaims().without("client_id").with(object{"cid": "web", "uid": "u", "evil": "admin", "jti": "AT.1"})), Requirements{})
	if err != nil || p.ClientID() != "web" || !p.IsUser() {
		t.Errorf("got %v, %v", p, err)
	}
	if Okta().ClientID[0][0] != "cid" {
		t.Error("profiles share their parts")
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	const client = clientPlaceholder
	for _, c := range []struct {
		name     string
		test     Test
		values   []string
		claim    string // JSON; empty: absent
		clientID string
		want     bool
	}{
		{"present", Present, nil, `"x"`, "", true},
		{"present number", Present, nil, `0`, "", true},
		{"present and false", Present, nil, `false`, "", true},
		{"present but null", Present, nil, `null`, "", false},
		{"present but empty", Present, nil, `""`, "", false},
		{"not present", Present, nil, "", "", false},
		{"absent", Absent, nil, "", "", true},
		{"absent but null", Absent, nil, `null`, "", false},
		{"absent but empty", Absent, nil, `""`, "", false},
		{"equals one", Equals, []string{"a", "b"}, `"b"`, "", true},
		{"equals escaped", Equals, []string{"a"}, `"\u0061"`, "", true},
		{"equals none", Equals, []string{"a"}, `"A"`, "", false},
		{"equals an array", Equals, []string{"a"}, `["a"]`, "", false},
		{"equals nothing", Equals, []string{"a"}, "", "", false},
		{"equals the client", Equals, []string{client}, `"web"`, "web", true},
		{"equals the client and more", Equals, []string{client + "@clients"}, `"web@clients"`, "web", true},
		{"equals no client and more", Equals, []string{client + "@clients"}, `"@clients"`, "", false},
		{"equals no client", Equals, []string{client}, `""`, "", false},
		{"equals the placeholder", Equals, []string{client}, `"{$client_id}"`, "web", false},
		{"equals but for the case", EqualsFold, []string{"svc-" + client}, `"Svc-web"`, "WEB", true},
		{"equals not even so", EqualsFold, []string{"svc-" + client}, `"svc-web2"`, "web", false},
		{"equals no client, whatever the case", EqualsFold, []string{"svc-" + client}, `"svc-"`, "", false},
		{"equals a list, whatever the case", EqualsFold, []string{"a"}, `["A"]`, "", false},
		{"differs", Differs, []string{client}, `"alice"`, "web", true},
		{"differs from none", Differs, []string{client, "alice"}, `"alice"`, "web", false},
		{"differs from no client", Differs, []string{client}, `"alice"`, "", false},
		{"differs by absence", Differs, []string{"a"}, "", "web", false},
		{"differs by being empty", Differs, []string{"a"}, `""`, "web", false},
		{"differs by being a number", Differs, []string{"a"}, `1`, "web", false},
		{"has the prefix", HasPrefix, []string{"AT."}, `"AT.x"`, "", true},
		{"is the prefix", HasPrefix, []string{"AT."}, `"AT."`, "", false},
		{"has another", HasPrefix, []string{"AT."}, `"at.x"`, "", false},
		{"contains, a list", Contains, []string{"a"}, `["b","a"]`, "", true},
		{"contains, names", Contains, []string{"a"}, `"b a"`, "", true},
		{"contains, a part", Contains, []string{"a"}, `"ab"`, "", false},
		{"contains the client", Contains, []string{client}, `["web"]`, "web", true},
		{"contains the client, whose id has a space", Contains, []string{client}, `"my app"`, "my app", true},
		{"contains a part of the client", Contains, []string{client}, `"my app"`, "app", true},
		{"contains no client", Contains, []string{client}, `[""]`, "", false},
		{"contains, numbers", Contains, []string{"1"}, `["1",2]`, "", false},
		{"no test", 0, nil, `"x"`, "", false},
		{"no such test", 99, nil, `"x"`, "", false},
	} {
		text := "{}"
		if c.claim != "" {
			text = `{"claim":` + c.claim + `}`
		}
		in, refused := decodeClaims(text)
		if refused != nil {
			t.Fatalf("%s: %v", c.name, refused.Err)
		}
		in.clientID = c.clientID
		condition := Condition{Claim: Path{"claim"}, Test: c.test, Values: c.values}
		if got := condition.holds(in); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
	if (Evidence{}).holds(&claims{}) {
		t.Error("no evidence is evidence")
	}
}

func TestTokenIssuerOfJWTSVIDs(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	cfg := newKeyServer(key).config()
	cfg.Issuer, cfg.Profile = "spiffe://example.org", SPIFFE()
	cfg.Profile.TokenIssuer = "https://spire.example.org"
	v := newJWT(t, cfg)
	for iss, want := range map[any]bool{
		nil: true, "spiffe://example.org": true, "https://spire.example.org": true,
		"https://spire.example.org/": false, "https://evil.test": false, "": false,
	} {
		claims := goodClaims().without("iss", "client_id").with(object{"sub": "spiffe://example.org/web"})
		if iss != nil {
			claims["iss"] = iss
		}
		token := key.tokenOf(jsonOf(key.header().with(object{"typ": "JWT"})), jsonOf(claims))
		if p, err := v.Verify(testContext(t), token, Requirements{}); (err == nil) != want {
			t.Errorf("iss %v: got %v, %v", iss, p, asCauseText(err))
		}
	}
}

func TestHybridNeedsOneProfile(t *testing.T) {
	t.Parallel()
	kind := func(*Principal) Kind { return KindUser }
	for name, c := range map[string]struct {
		jwt, in Profile
		ok      bool
	}{
		"none": {Profile{}, Profile{}, true}, "one": {Keycloak(), Profile{}, false}, "the other": {Profile{}, Okta(), false},
		"the same": {Keycloak(), Keycloak(), true}, "two": {Keycloak(), KeycloakBefore25(), false},
		"both decide": {Profile{Kind: kind}, Profile{Kind: kind}, true}, "one decides": {Profile{Kind: kind}, Profile{}, false},
	} {
		cfg := newKeyServer().config()
		cfg.IssuerName, cfg.Profile = "", c.jwt
		if _, err := NewHybrid(HybridConfig{JWT: newJWT(t, cfg), Introspection: introspectionWith(t, c.in)}); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProfileSourcesAreDeterministic(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	cfg := newKeyServer(key).config()
	cfg.Profile = Profile{
		ClientID: []Path{{"https://example.com/client", "id"}, {"cid"}},
		Scopes:   []Path{{"a.b", "scopes"}, {"scope"}, {"permits"}},
		Roles:    []Path{{"realm_access", "roles"}, {"role"}}, Groups: []Path{{"g"}}, Permissions: []Path{{"p"}},
	}
	v := newJWT(t, cfg)
	header, base := jsonOf(key.header()), jsonOf(goodClaims().without("client_id", "scope"))
	for name, c := range map[string]struct {
		claims string
		want   *Error
		client string
		scopes []string
	}{
		"nested":             {`"https://example.com/client":{"id":"x"},"a.b":{"scopes":["s","t"]}`, nil, "x", []string{"s", "t"}},
		"both agree":         {`"cid":"x","https://example.com/client":{"id":"x"}`, nil, "x", nil},
		"they differ":        {`"cid":"x","https://example.com/client":{"id":"y"}`, errClaimsClient, "", nil},
		"they differ, again": {`"https://example.com/client":{"id":"y"},"cid":"x"`, errClaimsClient, "", nil},
		"one is empty":       {`"https://example.com/client":{"id":""},"cid":"x"`, errClaimsClient, "", nil},
		"client_id unread":   {`"client_id":"admin","cid":"x"`, nil, "x", nil},
		"a number":           {`"cid":1`, errClaimsType, "", nil},
		"null":               {`"cid":null`, errClaimsType, "", nil},
		"no object":          {`"https://example.com/client":"x"`, errClaimsType, "", nil},
		"first scopes":       {`"scope":"z","a.b":{"scopes":"s"},"cid":"x"`, nil, "x", []string{"s"}},
		"first scopes, too":  {`"a.b":{"scopes":"s"},"scope":"z","cid":"x"`, nil, "x", []string{"s"}},
		"scopes malformed":   {`"a.b":{"scopes":"s"},"permits":7,"cid":"x"`, errClaimsType, "", nil},
		"malformed, first":   {`"permits":7,"a.b":{"scopes":"s"},"cid":"x"`, errClaimsType, "", nil},
		"spelled like cid":   {`"CID":"x"`, errClaimsMember, "", nil},
		"like cid, beside":   {`"Cid":"x","cid":"y"`, errClaimsMember, "", nil},
		"spelled like id":    {`"https://example.com/client":{"ID":"x"}`, errClaimsMember, "", nil},
		"spelled like p":     {`"P":["x"],"cid":"x"`, errClaimsMember, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := v.Verify(testContext(t), key.tokenOf(header, strings.TrimSuffix(base, "}")+","+c.claims+"}"), Requirements{})
			if c.want != nil {
				if asCause(err) != c.want {
					t.Fatalf("got %v, %v", p, err)
				}
				return
			}
			if err != nil || p.ClientID() != c.client || !slices.Equal(p.Scopes(), c.scopes) {
				t.Errorf("got %v, scopes %q, %v", p, p.Scopes(), err)
			}
		})
	}
	p, err := v.Verify(testContext(t), key.tokenOf(header, strings.TrimSuffix(base, "}")+
		`,"cid":"x","role":"b","roles":["no"],"realm_access":{"roles":["a","b"]},"g":["g1"],"p":"p1","permissions":["no"]}`), Requirements{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"a", "b"}, {"g1"}, {"p1"}}, [][]string{p.Roles(), p.Groups(), p.Permissions()}); diff != "" {
		t.Error(diff)
	}
}

// The verdict and the scopes must not depend on the order of members.
func TestScopeAndScpInEitherOrder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`{"scope":"a","scp":"b"}`: {"a"}, `{"scp":"b","scope":"a"}`: {"a"}, `{"scp":["b"],"scope":""}`: nil, `{"scope":"","scp":["b"]}`: nil,
	} {
		c, refused := decodeClaims(text)
		if refused != nil || !slices.Equal(c.scopes, want) {
			t.Errorf("row 22: %s: got %q, %v", text, c.scopes, refused)
		}
	}
	for _, text := range []string{`{"scope":"a","scp":7}`, `{"scp":7,"scope":"a"}`, `{"scope":7,"scp":"a"}`, `{"scp":"a","scope":7}`} {
		if _, refused := decodeClaims(text); refused == nil || refused.base() != errClaimsType {
			t.Errorf("row 22: %s: got %v", text, refused)
		}
	}
}

// issuerNamer is what package authz asks of a verifier that is to name its issuers.
type issuerNamer interface{ IssuerNames() []string }

func TestIssuerNames(t *testing.T) {
	t.Parallel()
	a, b := newKeyServer().config(), newKeyServer().config()
	b.Issuer, b.IssuerName = "https://b.test", ""
	one, other := newJWT(t, a), newJWT(t, b)
	in := introspectionWith(t, Profile{})
	in2, err := NewHybrid(HybridConfig{JWT: newJWT(t, func() JWTConfig { c := a; c.IssuerName = ""; return c }()), Introspection: in})
	if err != nil {
		t.Fatal(err)
	}
	m := must(NewMultiIssuer(one, other))
	for name, c := range map[string]struct {
		v    Verifier
		want []string
	}{
		"JWT": {one, []string{"test"}}, "JWT without a name": {other, []string{"https://b.test"}},
		"Introspection": {in, []string{testIssuer}}, "Hybrid": {in2, []string{testIssuer}}, "Issuers": {m, []string{"test", "https://b.test"}},
	} {
		namer, ok := c.v.(issuerNamer)
		if !ok {
			t.Errorf("%s: doesn't name its issuers", name)
			continue
		}
		got := namer.IssuerNames()
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		got[0] = "changed"
		if again := namer.IssuerNames(); !slices.Equal(again, c.want) {
			t.Errorf("%s: the caller can change them: %q", name, again)
		}
	}
	if _, ok := Verifier(VerifierFunc(nil)).(issuerNamer); ok {
		t.Error("a function knows no issuers")
	}
}

// A verifier of several issuers finds the owner of a JWT-SVID by its trust domain.
func TestIssuersOfJWTSVIDs(t *testing.T) {
	t.Parallel()
	key, own := newKey("k1", ES256), newKey("k1", ES256)
	plain, svid := newKeyServer(own).config(), newKeyServer().config()
	srv := newKeyServer()
	srv.publishRaw(key.jwk().with(object{"use": "jwt-svid"}), key.jwk().with(object{"use": "x509-svid", "kid": "other"}))
	svid.HTTPClient, svid.Issuer, svid.IssuerName, svid.Profile = srv.client(), "spiffe://example.org", "mesh", SPIFFE()
	svid.Profile.TokenIssuer = "https://spire.example.org"
	m := must(NewMultiIssuer(newJWT(t, plain), newJWT(t, svid)))
	claims := goodClaims().without("iss", "client_id").with(object{"sub": "spiffe://example.org/web"})
	h := jsonOf(key.header().with(object{"typ": "JWT"}))
	for name, text := range map[string]object{
		"without iss": claims, "with the issuer of its server": claims.with(object{"iss": "https://spire.example.org"}),
	} {
		p, err := m.Verify(testContext(t), key.tokenOf(h, jsonOf(text)), Requirements{})
		if err != nil || p.IssuerName() != "mesh" || p.Issuer() != "spiffe://example.org" || !p.IsService() || p.ClientID() != "web" {
			t.Errorf("%s: got %v, %v", name, p, err)
		}
	}
	for name, text := range map[string]object{
		"an unknown trust domain": claims.with(object{"sub": "spiffe://other.org/web"}), "no trust domain": claims.with(object{"sub": "web"}),
		"an unknown iss": claims.with(object{"iss": "https://other.test"}), "the other's iss": claims.with(object{"iss": testIssuer}),
	} {
		if p, err := m.Verify(testContext(t), key.tokenOf(h, jsonOf(text)), Requirements{}); err == nil {
			t.Errorf("%s: got %v", name, p)
		}
	}
	// The cause names the trust domain of a token without iss.
	_, err := m.Verify(testContext(t), key.tokenOf(h, jsonOf(claims.with(object{"sub": "spiffe://other.org/web"}))), Requirements{})
	if cause := asCauseText(err).Error(); !strings.Contains(cause, `"spiffe://example.org"`) || !strings.Contains(cause, `sub "spiffe://other.org/web"`) {
		t.Errorf("got %s", cause)
	}
	// Keys for JWT-SVIDs count for nothing elsewhere.
	if usable, _, _ := parseKeySet(jsonOf(object{"keys": []any{key.jwk().with(object{"use": "jwt-svid"})}}), setAll); len(usable) != 0 {
		t.Error("a key for JWT-SVIDs is used for others")
	}
	if _, err := NewMultiIssuer(newJWT(t, svid), newJWT(t, func() JWTConfig {
		c := plain
		c.Issuer = "https://spire.example.org"
		return c
	}())); err == nil {
		t.Error("two verifiers share an iss")
	}
}

// A chain of certificates in the header is legal (RFC 7515 §4.1.6) and not read:
// what bounds it is the token's limit.
func TestLongCertificateChain(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	cfg := newKeyServer(key).config()
	cfg.MaxTokenBytes = 32 << 10
	v := newJWT(t, cfg)
	cert := strings.Repeat("MIID", 1000)
	token := key.tokenOf(jsonOf(key.header().with(object{"x5c": []string{cert, cert, cert}})), jsonOf(goodClaims()))
	for range 2 {
		if _, err := v.Verify(testContext(t), token, Requirements{}); err != nil {
			t.Fatalf("row 7: %v", asCauseText(err))
		}
	}
	if h := v.headers.headers.Load(); h != nil && len(*h) > 0 {
		t.Error("row 7: a long header is kept")
	}
	if _, err := v.Verify(testContext(t), key.token(goodClaims()), Requirements{}); err != nil || len(*v.headers.headers.Load()) != 1 {
		t.Errorf("row 7: a short one isn't: %v", err)
	}
}
