package verify

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// second verifies with another library, set up as alike as it can be.
func second(token string, key *testKey) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{string(key.alg)}), jwt.WithIssuer(testIssuer), jwt.WithAudience(testAudience), jwt.WithLeeway(defaultLeeway),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithJSONNumber(),
	).ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return key.priv.Public(), nil })
	return claims, err
}

// compare fails if ours accepts what the second library refuses, or reads other
// claims in it. It returns whether each accepted.
func compare(t *testing.T, v *JWT, key *testKey, header, payload string) (ours, theirs bool) {
	t.Helper()
	token := key.tokenOf(header, payload)
	claims, theirErr := second(token, key)
	p, err := v.Verify(t.Context(), token, Requirements{})
	if err != nil {
		return false, theirErr == nil
	}
	if theirErr != nil {
		t.Fatalf("accepted, but refused by the second library: %v\nheader %s\npayload %s", theirErr, header, payload)
	}
	for name, want := range claims {
		if got, ok := p.Claim(name); !ok || !reflect.DeepEqual(got, want) {
			t.Fatalf("claim %q: %#v, the second library reads %#v\npayload %s", name, got, want, payload)
		}
	}
	subject, _ := claims.GetSubject()
	issuer, _ := claims.GetIssuer()
	expires, _ := claims.GetExpirationTime()
	if p.Subject() != subject || p.Issuer() != issuer {
		t.Fatalf("%q of %q, the second library reads %q of %q", p.Subject(), p.Issuer(), subject, issuer)
	}
	if d := p.ExpiresAt().Sub(expires.Time).Abs(); d > time.Second { // it truncates to seconds, by a float
		t.Fatalf("exp %v, the second library reads %v", p.ExpiresAt(), expires)
	}
	return true, true
}

func FuzzDifferential(f *testing.F) {
	key := newKey("k1", EdDSA)
	srv := newKeyServer(key)
	cfg := srv.config()
	cfg.CacheSize = -1
	v, err := NewJWT(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { v.Close() })
	if err := v.Ready(f.Context()); err != nil {
		f.Fatal(err)
	}
	good := goodClaims().with(object{"exp": 99999999999})
	header := jsonOf(key.header())
	f.Add(header, jsonOf(good))
	for _, change := range []object{
		{"exp": 99999999999.5},
		{"aud": []string{"x", testAudience}},
		{"nbf": 1},
		{"iat": 1.5},
		{"exp": json.RawMessage("1e11")},
		{"act": object{"sub": "a"}},
		{"deep": object{"a": []any{1, "x", nil, true}}},
		{"scope": nil},
		{"sub": "\u00e9\u2028"},
		{"exp": 253402300799},
	} {
		f.Add(header, jsonOf(good.with(change)))
	}
	f.Add(`{"alg":"EdDSA","typ":"AT+JWT"}`, jsonOf(good))
	f.Fuzz(func(t *testing.T, header, payload string) { compare(t, v, key, header, payload) })
}

// TestDifferential puts claims together at random, good and bad, and compares.
func TestDifferential(t *testing.T) {
	key := newKey("k1", EdDSA)
	srv := newKeyServer(key)
	cfg := srv.config()
	cfg.CacheSize = -1
	v := newJWT(t, cfg)
	now := time.Now().Unix()
	choices := []struct {
		name   string
		values []any // the first, which is good, three times in four
	}{
		{"iss", []any{testIssuer, testIssuer + "/", "", nil, 1}},
		{"aud", []any{testAudience, []string{testAudience}, []string{"x", testAudience}, "x", []any{testAudience, 1}, nil, []string{}}},
		{"sub", []any{"alice", "", nil, 1, object{}}},
		{"exp", []any{now + 300, float64(now) + 300.25, now - 10, now - 40, "x", nil, -1, 1e15}},
		{"nbf", []any{nil, now - 5, now + 20, now + 40, "x", json.RawMessage("null")}},
		{"iat", []any{now, nil, now + 20, now + 40, true}},
		{"cnf", []any{nil, object{"jkt": "x"}}},
		{"x", []any{nil, 1.5, "text", []any{1, object{"y": 2}}, json.RawMessage(`{"a":1,"a":2}`)}},
	}
	random := rand.New(rand.NewPCG(1, 2))
	both, neither, strict := 0, 0, 0
	for range 1500 {
		claims := object{"client_id": "web"}
		for _, c := range choices {
			value := c.values[0]
			if random.IntN(4) == 0 {
				value = c.values[random.IntN(len(c.values))]
			}
			if value != nil {
				claims[c.name] = value
			}
		}
		header := object{"alg": "EdDSA", "typ": []any{"at+jwt", "at+jwt", "at+jwt", "JWT"}[random.IntN(4)], "kid": "k1"}
		switch ours, theirs := compare(t, v, key, jsonOf(header), jsonOf(claims)); {
		case ours:
			both++
		case theirs:
			strict++
		default:
			neither++
		}
	}
	t.Logf("both accept %d, neither %d, only the second library %d", both, neither, strict)
	if both < 150 || neither < 150 || strict < 50 {
		t.Error("the choices no longer exercise all three outcomes")
	}
}

// TestDisagreements lists what the second library accepts and we refuse, and
// why. It accepts each case that is not so marked: if that changes, the case
// explains nothing any more.
func TestDisagreements(t *testing.T) {
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	header, claims := jsonOf(key.header()), jsonOf(goodClaims())
	add := func(text, more string) string { return text[:len(text)-1] + "," + more + "}" }
	for name, c := range map[string]struct{ header, payload string }{
		"the last of two claims wins there":          {header, add(claims, `"sub":"root"`)},
		"a claim spelled otherwise is another there": {header, add(claims, `"Sub":"root"`)},
		"typ is not looked at there":                 {`{"alg":"ES256","typ":"JWT","kid":"k1"}`, claims},
		"crit is not looked at there":                {add(header, `"crit":["x"],"x":1`), claims},
		"the last of two algorithms wins there":      {`{"alg":"none",` + header[1:], claims},
		"bad UTF-8 is mended there":                  {header, add(claims, "\"x\":\"\xff\"")},
		"a binding is not looked at there":           {header, add(claims, `"cnf":{"jkt":"x"}`)},
		"claims it doesn't read may have any type":   {header, jsonOf(goodClaims().with(object{"scope": 1}))},
		"ID tokens are not told apart there":         {header, add(claims, `"token_use":"id"`)},
		"nobody's token is a token there":            {header, jsonOf(goodClaims().without("sub", "client_id"))},
	} {
		ours, theirs := compare(t, v, key, c.header, c.payload)
		if ours || !theirs {
			t.Errorf("%s: ours %t, the second library %t", name, ours, theirs)
		}
	}
}
