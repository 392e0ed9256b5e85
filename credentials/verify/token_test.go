package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// refusedCase is a token that must be refused, and why.
type refusedCase struct {
	name  string
	token string
	want  *Error // nil: any refusal
}

// mustRefuse runs the cases against a verifier that has not fetched anything:
// none of them may cause a fetch.
func mustRefuse(t *testing.T, cfg JWTConfig, srv *keyServer, cases []refusedCase) {
	t.Helper()
	v := newJWT(t, cfg)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, err := v.Verify(testContext(t), c.token, Requirements{})
			e := wantError(t, err, tokenInvalid)
			if p != nil {
				t.Fatal("a principal comes with the error")
			}
			if c.want != nil && asCause(err) != c.want {
				t.Fatalf("refused because of %q, want %q", e.Err, c.want.Err)
			}
			if e.Kind != CredentialFault {
				t.Fatalf("kind %v", e.Kind)
			}
			if n := srv.total(); n != 0 {
				t.Fatalf("%d fetches, want none", n)
			}
		})
	}
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	key := newKey("k1", RS256)
	srv := newKeyServer(key)
	claims := jsonOf(goodClaims())
	cases := []refusedCase{
		{"row 6: alg missing", key.tokenOf(`{"typ":"at+jwt","kid":"k1"}`, claims), errHeaderAlg},
		{"row 6: alg null", key.tokenOf(`{"alg":null,"typ":"at+jwt","kid":"k1"}`, claims), errHeaderAlg},
		{"row 6: alg a list", key.tokenOf(`{"alg":["RS256"],"typ":"at+jwt","kid":"k1"}`, claims), errHeaderAlg},
		{"row 6: alg in lower case", key.tokenOf(`{"alg":"rs256","typ":"at+jwt","kid":"k1"}`, claims), errHeaderAlg},
		{"row 6: alg with a space", key.tokenOf(`{"alg":"RS256 ","typ":"at+jwt","kid":"k1"}`, claims), errHeaderAlg},
		{"row 6: alg outside the list", key.tokenOf(`{"alg":"RS512","typ":"at+jwt","kid":"k1"}`, claims), errHeaderAlg},
		{"row 6: alg ES256K", key.tokenOf(`{"alg":"ES256K","typ":"at+jwt","kid":"k1"}`, claims), errHeaderAlg},
		{"row 6: alg empty", key.tokenOf(`{"alg":"","typ":"at+jwt","kid":"k1"}`, claims), errHeaderAlg},
	}
	for i := range 16 {
		none := []byte("none")
		for bit := range none {
			if i>>bit&1 == 1 {
				none[bit] -= 'a' - 'A'
			}
		}
		h := fmt.Sprintf(`{"alg":"%s","typ":"at+jwt","kid":"k1"}`, none)
		cases = append(cases,
			refusedCase{"row 6: alg " + string(none) + " signed", key.tokenOf(h, claims), errHeaderAlg},
			refusedCase{"row 6: alg " + string(none) + " without a signature", b64([]byte(h)) + "." + b64([]byte(claims)) + ".", errTokenForm})
	}
	pub := key.priv.Public().(*rsa.PublicKey)
	for name, secret := range map[string][]byte{
		"the modulus": pub.N.Bytes(), "PKIX": must(x509.MarshalPKIXPublicKey(pub)), "PKCS1": x509.MarshalPKCS1PublicKey(pub),
		"the JWK": []byte(jsonOf(key.jwk())),
	} {
		input := b64([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"k1"}`)) + "." + b64([]byte(claims))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		cases = append(cases, refusedCase{"row 6: HS256 with " + name, input + "." + b64(mac.Sum(nil)), errHeaderAlg})
	}
	mustRefuse(t, srv.config(), srv, cases)
	narrow := srv.config()
	narrow.Algorithms = []Algorithm{ES256, PS256}
	mustRefuse(t, narrow, srv, []refusedCase{{"row 6: a good signature, by an algorithm that isn't allowed here", key.tokenOf(jsonOf(key.header()), claims), errHeaderAlg}})

	for _, alg := range []Algorithm{"none", "HS256", "ES256K", "rs256", ""} {
		cfg := srv.config()
		cfg.Algorithms = []Algorithm{RS256, alg}
		if v, err := NewJWT(cfg); err == nil {
			v.Close()
			t.Errorf("row 6: %q can be configured", alg)
		}
	}
}

func TestKeysInTheHeader(t *testing.T) {
	t.Parallel()
	ours := newKey("k1", ES256)
	theirs := newKey("k1", ES256)
	trap := newKeyServer(theirs)
	trapURL := onLoopback(t, trap).URL
	srv := newKeyServer(ours)
	v := newJWT(t, srv.config())
	for name, extra := range map[string]object{
		"jwk": {"jwk": theirs.jwk()}, "jku": {"jku": trapURL + "/jwks"}, "x5u": {"x5u": trapURL + "/cert"},
		"x5c": {"x5c": []string{"AAAA"}},
	} {
		t.Run("row 7: "+name+" is not trusted", func(t *testing.T) {
			allowFetch(v)
			h := jsonOf(theirs.header().with(extra))
			if _, err := v.Verify(testContext(t), theirs.tokenOf(h, jsonOf(goodClaims())), Requirements{}); asCause(err) != errSignature {
				t.Fatalf("got %v", err)
			}
		})
		t.Run("row 7: "+name+" is ignored", func(t *testing.T) {
			h := jsonOf(ours.header().with(extra))
			if _, err := v.Verify(testContext(t), ours.tokenOf(h, jsonOf(goodClaims())), Requirements{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if n := trap.total(); n != 0 {
		t.Fatalf("row 7: %d fetches of addresses in a header", n)
	}
}

func TestCrit(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	var cases []refusedCase
	for name, extra := range map[string]object{
		"unknown name":       {"crit": []string{"x"}, "x": 1},
		"exp":                {"crit": []string{"exp"}, "exp": 1},
		"b64 false":          {"crit": []string{"b64"}, "b64": false},
		"b64 true":           {"crit": []string{"b64"}, "b64": true},
		"empty":              {"crit": []string{}},
		"not an array":       {"crit": "x"},
		"null":               {"crit": nil},
		"array of numbers":   {"crit": []int{1}},
		"b64 without crit":   {"b64": false},
		"registered name":    {"crit": []string{"alg"}},
		"capital spelling":   {"Crit": []string{"x"}},
		"compressed payload": {"zip": "DEF"},
	} {
		cases = append(cases, refusedCase{"row 8: " + name, key.tokenOf(jsonOf(key.header().with(extra)), jsonOf(goodClaims())), nil})
	}
	mustRefuse(t, srv.config(), srv, cases)
}

func TestTyp(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	claims := goodClaims()
	withTyp := func(typ any, claims object) string {
		h := key.header().without("typ")
		if typ != nil {
			h["typ"] = typ
		}
		return key.tokenOf(jsonOf(h), jsonOf(claims))
	}
	idToken := claims.without("client_id", "scope").with(object{"nonce": "n", "at_hash": "h", "azp": "web"})
	logout := claims.with(object{"events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}})

	mustRefuse(t, srv.config(), srv, []refusedCase{
		{"row 9: JWT", withTyp("JWT", claims), errHeaderTyp},
		{"row 9: missing", withTyp(nil, claims), errHeaderTyp},
		{"row 9: empty", withTyp("", claims), errHeaderTyp},
		{"row 9: a number", withTyp(1, claims), errHeaderTyp},
		{"row 9: dpop+jwt", withTyp("dpop+jwt", claims), errHeaderTyp},
		{"row 9: logout+jwt", withTyp("logout+jwt", logout), errHeaderTyp},
		{"row 9: application/jwt", withTyp("application/jwt", claims), errHeaderTyp},
		{"row 9: at+jwt with a parameter", withTyp("at+jwt; x=y", claims), errHeaderTyp},
		{"row 9: application/application/at+jwt", withTyp("application/application/at+jwt", claims), errHeaderTyp},
		{"row 9: an ID token", withTyp("JWT", idToken), errHeaderTyp},
		{"row 9: token_use id under at+jwt", withTyp("at+jwt", claims.with(object{"token_use": "id"})), errClaimsUse},
		{"row 9: token_use refresh under at+jwt", withTyp("at+jwt", claims.with(object{"token_use": "refresh"})), errClaimsUse},
		{"row 9: token_use refresh_token under at+jwt", withTyp("at+jwt", claims.with(object{"token_use": "refresh_token"})), errClaimsUse},
		{"row 9: token_type refresh_token under at+jwt", withTyp("at+jwt", claims.with(object{"token_type": "refresh_token"})), errClaimsUse},
		{"row 9: token_type id_token under at+jwt", withTyp("at+jwt", claims.with(object{"token_type": "urn:ietf:params:oauth:token-type:id_token"})), errClaimsUse},
		{"row 9: token_type DPoP under at+jwt", withTyp("at+jwt", claims.with(object{"token_type": "DPoP"})), errClaimsUse},
		{"row 9: typ claim Refresh under at+jwt", withTyp("at+jwt", claims.with(object{"typ": "Refresh"})), errClaimsUse},
		{"row 9: typ claim ID under at+jwt", withTyp("at+jwt", claims.with(object{"typ": "ID"})), errClaimsUse},
		{"row 9: nonce under at+jwt", withTyp("at+jwt", claims.with(object{"nonce": "n"})), errClaimsUse},
		{"row 9: at_hash under at+jwt", withTyp("at+jwt", claims.with(object{"at_hash": "h"})), errClaimsUse},
		{"row 9: c_hash under at+jwt", withTyp("at+jwt", claims.with(object{"c_hash": "h"})), errClaimsUse},
		{"row 9: s_hash under at+jwt", withTyp("at+jwt", claims.with(object{"s_hash": "h"})), errClaimsUse},
		{"row 9: a logout token under at+jwt", withTyp("at+jwt", logout), errClaimsUse},
	})

	v := newJWT(t, srv.config())
	for _, typ := range []string{"at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"} {
		if _, err := v.Verify(testContext(t), withTyp(typ, claims), Requirements{}); err != nil {
			t.Errorf("row 9: %q: %v", typ, err)
		}
	}

	generic := srv.config()
	generic.Profile = genericProfile()
	silent := newKeyServer(key) // counts nothing but the cases below
	generic.HTTPClient = silent.client()
	mustRefuse(t, generic, silent, []refusedCase{
		{"row 9: generic: ID token", withTyp("JWT", idToken), errClaimsUse},
		{"row 9: generic: ID token without marks", withTyp("JWT", claims.without("client_id", "scope")), errClaimsUse},
		{"row 9: generic: nonce", withTyp(nil, claims.with(object{"nonce": "n"})), errClaimsUse},
		{"row 9: generic: refresh token", withTyp("JWT", claims.with(object{"typ": "Refresh"})), errClaimsUse},
		{"row 9: generic: offline token", withTyp("JWT", claims.with(object{"typ": "Offline"})), errClaimsUse},
		{"row 9: generic: typ claim ID", withTyp("JWT", claims.with(object{"typ": "ID"})), errClaimsUse},
		{"row 9: generic: token_use id", withTyp("JWT", claims.with(object{"token_use": "id"})), errClaimsUse},
		{"row 9: generic: logout token", withTyp("JWT", logout), errClaimsUse},
		{"row 9: generic: dpop+jwt", withTyp("dpop+jwt", claims), errHeaderTyp},
	})
	g := newJWT(t, generic)
	for _, typ := range []any{"JWT", "jwt", nil, "at+jwt"} {
		if _, err := g.Verify(testContext(t), withTyp(typ, claims), Requirements{}); err != nil {
			t.Errorf("row 9: generic %v: %v", typ, err)
		}
	}
}

func TestKid(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	withKid := func(kid any) string {
		return key.tokenOf(jsonOf(key.header().with(object{"kid": kid})), jsonOf(goodClaims()))
	}
	mustRefuse(t, srv.config(), srv, []refusedCase{
		{"row 10: a number", withKid(1), errHeaderKid},
		{"row 10: null", withKid(nil), errHeaderKid},
		{"row 10: an object", withKid(object{"a": "b"}), errHeaderKid},
		{"row 10: long", withKid(strings.Repeat("k", maxKid+1)), errHeaderKid},
		{"row 10: 1 MiB long", withKid(strings.Repeat("k", 1<<20)), errTokenSize},
	})
	for _, kid := range []string{"../../etc/passwd", `"k1"`, "k\x001", "k1\r\nX: y", "", "' OR 1=1 --", "http://x/"} {
		t.Run(fmt.Sprintf("row 10: %q is a plain map key", kid), func(t *testing.T) {
			v := newJWT(t, srv.config())
			if _, err := v.Verify(testContext(t), withKid(kid), Requirements{}); asCause(err) != errKeyUnknown {
				t.Fatalf("got %v", err)
			}
			odd := &testKey{kid: kid, alg: ES256, priv: key.priv}
			if kid == "" {
				return // a key without a kid is found only by a token without one
			}
			own := newKeyServer(odd)
			if _, err := newJWT(t, own.config()).Verify(testContext(t), odd.token(goodClaims()), Requirements{}); err != nil {
				t.Fatalf("the key with that very kid: %v", err)
			}
		})
	}
}

func TestSerializations(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	good := key.token(goodClaims())
	p := strings.Split(good, ".")
	nested := key.tokenOf(jsonOf(key.header().with(object{"cty": "JWT"})), good)
	mustRefuse(t, srv.config(), srv, []refusedCase{
		{"row 11: JWE of five parts", "e30.e30.e30.e30.e30", errTokenForm},
		{"row 11: two more parts", good + ".e30.e30", errTokenForm},
		{"row 11: nested", nested, nil},
		{"row 11: nested without cty", key.tokenOf(jsonOf(key.header()), good), errClaimsJSON},
		{"row 11: flattened JSON", jsonOf(object{"protected": p[0], "payload": p[1], "signature": p[2]}), errTokenForm},
		{"row 11: general JSON", jsonOf(object{"payload": p[1], "signatures": []object{{"protected": p[0], "signature": p[2]}}}), errTokenForm},
		{"row 11: JSON whose values hold dots", `{"a":"` + good + `"}`, nil},
		{"row 11: one part", p[0], errTokenForm},
		{"row 11: two parts", p[0] + "." + p[1], errTokenForm},
		{"row 11: four parts", good + "." + p[2], errTokenForm},
		{"row 11: empty header", "." + p[1] + "." + p[2], errTokenForm},
		{"row 11: empty payload", p[0] + ".." + p[2], errTokenForm},
		{"row 11: empty signature", p[0] + "." + p[1] + ".", errTokenForm},
		{"row 11: trailing dot", good + ".", errTokenForm},
		{"row 11: dots alone", "..", errTokenForm},
		{"row 11: nothing", "", errTokenForm},
	})
}

func TestStrictEncoding(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	good := key.token(goodClaims())
	p := strings.Split(good, ".")
	var cases []refusedCase
	for i := range p {
		for name, change := range map[string]func(string) string{
			"line break":    func(s string) string { return s[:4] + "\n" + s[4:] },
			"return":        func(s string) string { return s[:4] + "\r\n" + s[4:] },
			"space":         func(s string) string { return s[:4] + " " + s[4:] },
			"padding":       func(s string) string { return s + "=" },
			"two paddings":  func(s string) string { return s + "==" },
			"plus":          func(s string) string { return "+" + s[1:] },
			"slash":         func(s string) string { return "/" + s[1:] },
			"percent":       func(s string) string { return s + "%3D" },
			"one char more": func(s string) string { return s + strings.Repeat("A", (5-len(s)%4)%4) },
		} {
			q := append([]string(nil), p...)
			q[i] = change(q[i])
			if strings.Join(q, ".") == good {
				continue
			}
			cases = append(cases, refusedCase{fmt.Sprintf("row 12: %s in part %d", name, i), strings.Join(q, "."), nil})
		}
	}
	// These pass until the signature: with keys at hand, so not in mustRefuse.
	v := newJWT(t, srv.config())
	if err := v.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := v.Verify(testContext(t), c.token, Requirements{})
			wantError(t, err, tokenInvalid)
		})
	}
	// An ES256 signature has 86 characters, the last with four bits of no
	// meaning: fifteen other texts decode to the same bytes.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, good[len(good)-1])
	for low := 1; low < 16; low++ {
		twin := good[:len(good)-1] + string(alphabet[last&^15|low])
		if _, err := base64.RawURLEncoding.DecodeString(twin[strings.LastIndexByte(twin, '.')+1:]); err != nil {
			t.Fatal("the twin should decode leniently")
		}
		if _, err := v.Verify(testContext(t), twin, Requirements{}); asCause(err) != errTokenEncoding {
			t.Fatalf("row 12: stray bits %04b: got %v", low, err)
		}
	}
}

func TestECDSASignatures(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	good := key.token(goodClaims())
	at := strings.LastIndexByte(good, '.') + 1
	raw := must(base64.RawURLEncoding.DecodeString(good[at:]))
	n := elliptic.P256().Params().N
	r, s := new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])
	pair := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	der := must(asn1.Marshal(struct{ R, S *big.Int }{r, s}))
	zero := new(big.Int)
	for name, sig := range map[string][]byte{
		"all zero":        make([]byte, 64),
		"one byte short":  raw[:63],
		"one byte long":   append(append([]byte(nil), raw...), 0),
		"leading zero":    append([]byte{0}, raw...),
		"one byte":        {1},
		"DER":             der,
		"r zero":          pair(zero, s),
		"s zero":          pair(r, zero),
		"r the order":     pair(n, s),
		"s the order":     pair(r, n),
		"all ones":        []byte(strings.Repeat("\xff", 64)),
		"P-384 size":      make([]byte, 96),
		"RSA size":        make([]byte, 256),
		"64 KiB":          make([]byte, 8<<10),
		"r and s swapped": pair(s, r),
	} {
		t.Run("row 13: "+name, func(t *testing.T) {
			allowFetch(v)
			before := srv.total()
			_, err := v.Verify(testContext(t), good[:at]+b64(sig), Requirements{})
			if asCause(err) != errSignature {
				t.Fatalf("got %v", err)
			}
			if n := srv.total() - before; n > 0 && name != "r and s swapped" {
				t.Fatalf("%d fetches, though no key could have made it", n)
			}
		})
	}
	t.Run("row 13: the twin is the same token", func(t *testing.T) {
		twin := good[:at] + b64(pair(r, new(big.Int).Sub(n, s)))
		if !ecdsa.Verify(key.priv.Public().(*ecdsa.PublicKey), hashOf(good[:at-1]), r, new(big.Int).Sub(n, s)) {
			t.Fatal("the twin should be valid")
		}
		a, err := v.Verify(testContext(t), good, Requirements{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := v.Verify(testContext(t), twin, Requirements{})
		if err != nil {
			t.Fatal(err)
		}
		if a.TokenID() != b.TokenID() || a.TokenID() == "" {
			t.Fatal("the token id must name both")
		}
	})
	t.Run("row 13: other algorithms' lengths", func(t *testing.T) {
		for _, alg := range []Algorithm{RS256, PS256, EdDSA} {
			k := newKey("k", alg)
			own := newKeyServer(k)
			ownV := newJWT(t, own.config())
			token := k.token(goodClaims())
			cut := strings.LastIndexByte(token, '.') + 1
			for _, size := range []int{1, 32, 63, 65, 128, 255, 257, 512} {
				allowFetch(ownV)
				if _, err := ownV.Verify(testContext(t), token[:cut]+b64(make([]byte, size)), Requirements{}); asCause(err) != errSignature {
					t.Fatalf("%s, %d bytes: %v", alg, size, err)
				}
			}
		}
	})
}

func hashOf(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:] }

func TestOddJSON(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	cfg := srv.config()
	cfg.MaxTokenBytes = 1 << 20 // so that the size cap is not what saves us
	header, claims := jsonOf(key.header()), jsonOf(goodClaims())
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":1,`, i)
		}
		return "{" + b.String() + claims[1:]
	}
	nest := func(open, closing string, n int) string {
		return `{"x":` + strings.Repeat(open, n) + "1" + strings.Repeat(closing, n) + "," + claims[1:]
	}
	var cases []refusedCase
	for name, text := range map[string]string{
		"null": "null", "array": "[]", "array of one": "[" + claims + "]", "string": `"x"`, "number": "1", "true": "true",
		"empty": "", "spaces": "  ", "two objects": "{}{}", "trailing comma": `{"a":1,}`, "trailing text": claims + "x",
		"unclosed": claims[:len(claims)-1], "BOM": "\ufeff" + claims, "NaN": `{"a":NaN}`, "leading zero": `{"a":01}`,
		"plus": `{"a":+1}`, "bare point": `{"a":.5}`, "point at the end": `{"a":1.}`, "hex": `{"a":0x1}`, "comment": `{/**/"a":1}`,
		"single quotes": `{'a':1}`, "bare name": `{a:1}`, "control in a string": "{\"a\":\"\n\"}", "NUL": claims + "\x00",
		"invalid UTF-8":         "{\"a\":\"\xff\"}",
		"invalid UTF-8 in name": "{\"\xc3\":1}",
		"overlong UTF-8":        "{\"a\":\"\xc0\xae\"}",
		"surrogate in UTF-8":    "{\"a\":\"\xed\xa0\x80\"}",
		"lone surrogate":        `{"a":"\ud800"}`, "lone low surrogate": `{"a":"\udc00"}`, "bad pair": `{"a":"\ud800\u0041"}`,
		"bad escape": `{"a":"\x41"}`, "short escape": `{"a":"\u00"}`, "unclosed escape": `{"a":"\`,
		"10,000 arrays": nest("[", "]", 10000), "10,000 objects": nest(`{"a":`, "}", 10000), "33 deep": nest("[", "]", 33),
		"10,000 members": many(10000), "10,000 nested members": `{"x":` + many(10000) + "," + claims[1:],
		"unclosed array": `{"a":[1`, "colon missing": `{"a" 1}`, "value missing": `{"a":}`,
	} {
		cases = append(cases, refusedCase{"row 14: payload " + name, key.tokenOf(header, text), nil})
		if len(text) < 4<<10 {
			odd := strings.ReplaceAll(text, claims, header)
			cases = append(cases, refusedCase{"row 14: header " + name, key.tokenOf(odd, claims), nil})
		}
	}
	mustRefuse(t, cfg, srv, cases)
}

// What is odd but legal JSON (RFC 8259) is taken.
func TestUnusualJSONIsTaken(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	v := newJWT(t, srv.config())
	header, claims := jsonOf(key.header()), jsonOf(goodClaims())
	for name, extra := range map[string]string{
		"exponents": `"x":[1e5,1E5,1e+5,1E-5,0e0,-0,-0.0,0.10,12.5e+07]`, "spaces": " \t\r\n\"x\" \t\r\n: \t\r\n[ 1 , 2 ] \t\r\n",
		"empty things": `"x":[{},[],"",null,{"":""}]`, "escapes": `"x":"\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\"`, "32 deep": `"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31),
		"long number": `"x":` + strings.Repeat("9", 400), "a role": `"roles":[ "a" , "b" ]`,
	} {
		accept(t, v, key.tokenOf(header, " {"+extra+","+claims[1:]+" \n"), name+" in the claims")
		accept(t, v, key.tokenOf("\t{"+extra+","+header[1:]+"\r\n", claims), name+" in the header")
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	srv := newKeyServer(key)
	header, claims := jsonOf(key.header()), jsonOf(goodClaims())
	var cases []refusedCase
	for _, extra := range []string{
		`"iss":"https://evil.test"`, `"iss":"` + testIssuer + `"`, `"\u0069ss":"https://evil.test"`, `"ISS":"https://evil.test"`,
		`"Iss":1`, `"Exp":9999999999`, `"exp":9999999999`, "\"ſub\":\"root\"", "\"iſſ\":\"x\"", `"Sub":"root"`, `"AUD":"x"`,
		`"Scope":"admin"`, "\"ſcope\":\"admin\"", `"Client_ID":"x"`, `"CNF":{}`, `"Act":{}`, `"ROLES":["admin"]`,
		`"x":1,"x":2`, `"x":{"a":1,"a":2}`, `"x":[{"a":1,"\u0061":2}]`, `"act":{"sub":"a","Sub":"b"}`, `"act":{"sub":"a","sub":"b"}`,
	} {
		text := "{" + extra + "," + claims[1:]
		cases = append(cases, refusedCase{"row 15: claim " + extra, key.tokenOf(header, text), errClaimsMember})
		text = claims[:len(claims)-1] + "," + extra + "}"
		cases = append(cases, refusedCase{"row 15: claim at the end " + extra, key.tokenOf(header, text), errClaimsMember})
	}
	for _, extra := range []string{
		`"alg":"ES256"`, `"Alg":"none"`, `"ALG":"none"`, `"\u0061lg":"none"`, `"kid":"k1"`, `"Kid":"k2"`, "\"\u212aid\":\"k2\"", `"TYP":"JWT"`,
		`"X5T#s256":"x"`, `"x5t#s256":"x"`, `"x":1,"x":1`,
	} {
		text := "{" + extra + "," + header[1:]
		cases = append(cases, refusedCase{"row 15: header " + extra, key.tokenOf(text, claims), errHeaderMember})
	}
	// More names than are compared pair by pair.
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, `"m%d":1,`, i)
	}
	cases = append(cases, refusedCase{"row 15: duplicate among many", key.tokenOf(header, "{"+many.String()+`"m7":2,`+claims[1:]), errClaimsMember},
		refusedCase{"row 15: nested duplicate among many", key.tokenOf(header, `{"x":{`+many.String()+`"m7":2},`+claims[1:]), errClaimsMember})
	mustRefuse(t, srv.config(), srv, cases)
}
