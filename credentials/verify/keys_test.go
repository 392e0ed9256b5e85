package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// loads reports how a key set of these keys is loaded under all algorithms.
func loads(t *testing.T, keys ...any) (usable []*signingKey, dropped int) {
	t.Helper()
	usable, dropped, err := parseKeySet(jsonOf(object{"keys": keys}), setAll)
	if err != nil {
		t.Fatal(err)
	}
	return usable, dropped
}

func TestKeysThatDontFit(t *testing.T) {
	t.Parallel()
	ec, rsaKey, ed := newKey("k", ES256).jwk(), newKey("k", RS256).jwk(), newKey("k", EdDSA).jwk()
	p384 := newKey("k", ES384).jwk()
	for name, jwk := range map[string]object{
		"use enc":                    ec.with(object{"use": "enc"}),
		"use null":                   ec.with(object{"use": nil}),
		"use empty":                  ec.with(object{"use": ""}),
		"key_ops sign":               ec.with(object{"key_ops": []string{"sign"}}),
		"key_ops empty":              ec.with(object{"key_ops": []string{}}),
		"key_ops a string":           ec.with(object{"key_ops": "verify"}),
		"key_ops with a number":      ec.with(object{"key_ops": []any{"verify", 1}}),
		"a P-384 key under ES256":    p384.with(object{"alg": "ES256"}),
		"a P-256 key under ES384":    ec.with(object{"alg": "ES384"}),
		"an RSA key under ES256":     rsaKey.with(object{"alg": "ES256"}),
		"an EC key under RS256":      ec.with(object{"alg": "RS256"}),
		"an EC key under HS256":      ec.with(object{"alg": "HS256"}),
		"alg none":                   ec.with(object{"alg": "none"}),
		"alg null":                   ec.with(object{"alg": nil}),
		"alg of encryption":          rsaKey.with(object{"alg": "RSA-OAEP"}),
		"crv of another curve":       ec.with(object{"crv": "P-384"}),
		"crv secp256k1":              ec.with(object{"crv": "secp256k1"}).without("alg"),
		"crv missing":                ec.without("crv", "alg"),
		"kty missing":                ec.without("kty"),
		"kty in lower case":          ec.with(object{"kty": "ec"}),
		"kty of another type":        ec.with(object{"kty": "RSA"}),
		"X25519":                     ed.with(object{"crv": "X25519"}).without("alg"),
		"Ed448":                      ed.with(object{"crv": "Ed448"}).without("alg"),
		"a short Ed25519 key":        ed.with(object{"x": b64(make([]byte, 31))}),
		"a long Ed25519 key":         ed.with(object{"x": b64(make([]byte, 33))}),
		"an empty Ed25519 key":       ed.with(object{"x": ""}),
		"a private EC key":           ec.with(object{"d": b64(make([]byte, 32))}),
		"a private Ed25519 key":      ed.with(object{"d": b64(make([]byte, 32))}),
		"a private RSA key":          rsaKey.with(object{"d": "AQAB"}),
		"kid a number":               ec.with(object{"kid": 1}),
		"kid too long":               ec.with(object{"kid": strings.Repeat("k", maxKid+1)}),
		"point without y":            ec.without("y"),
		"coordinate of 100 KiB":      ec.with(object{"x": b64(make([]byte, 100<<10))}),
		"coordinate a number":        ec.with(object{"x": 1}),
		"coordinate not base64":      ec.with(object{"x": "!"}),
		"coordinate with line break": ec.with(object{"x": ec["x"].(string)[:5] + "\n" + ec["x"].(string)[5:]}),
	} {
		t.Run("row 24: "+name, func(t *testing.T) {
			good := newKey("good", ES256).jwk()
			usable, dropped := loads(t, jwk, good)
			if len(usable) != 1 || usable[0].kid != "good" || dropped != 1 {
				t.Fatalf("%d usable, %d dropped", len(usable), dropped)
			}
		})
	}
	t.Run("row 24: algorithms are inferred within the allow-list", func(t *testing.T) {
		for _, c := range []struct {
			jwk     object
			allowed algSet
			want    algSet
		}{
			{ec.without("alg"), setAll, setES256},
			{ec.without("alg", "use"), setAll, setES256},
			{ec.without("alg").with(object{"key_ops": []string{"verify"}}), setAll, setES256},
			{rsaKey.without("alg"), setAll, setRSA},
			{rsaKey.without("alg"), setRS256 | setPS256 | setES256, setRS256 | setPS256},
			{rsaKey, setAll, setRS256},
			{p384.without("alg"), setAll, setES384},
			{newKey("k", ES512).jwk().without("alg"), setAll, setES512},
			{ed.without("alg"), setAll, setEdDSA},
			{ed.without("alg"), setRS256, 0},
			{rsaKey, setPS256, 0},
		} {
			usable, _, err := parseKeySet(jsonOf(object{"keys": []any{c.jwk}}), c.allowed)
			if err != nil {
				t.Fatal(err)
			}
			var got algSet
			if len(usable) == 1 {
				got = usable[0].algs
			}
			if got != c.want {
				t.Errorf("%v within %b: %b, want %b", c.jwk, c.allowed, got, c.want)
			}
		}
	})
	t.Run("row 24: a token is not verified by a key of another algorithm", func(t *testing.T) {
		key := newKey("k1", RS256) // published for RS256, the token says PS256
		srv := newKeyServer(key)
		other := &testKey{kid: "k1", alg: PS256, priv: key.priv}
		if _, err := newJWT(t, srv.config()).Verify(testContext(t), other.token(goodClaims()), Requirements{}); asCause(err) != errKeyUnknown {
			t.Fatalf("got %v", err)
		}
	})
}

func TestWeakKeys(t *testing.T) {
	t.Parallel()
	rsaJWK := func(n *big.Int, e int64) object {
		return object{"kty": "RSA", "kid": "k", "n": b64(n.Bytes()), "e": b64(big.NewInt(e).Bytes())}
	}
	good := rsaOnce().N
	bits := func(n uint) *big.Int { // odd, of exactly n bits
		x := new(big.Int).Lsh(big.NewInt(1), n-1)
		return x.Add(x, big.NewInt(12345))
	}
	ec := newKey("k", ES256).jwk()
	for name, jwk := range map[string]any{
		"oct":                     object{"kty": "oct", "kid": "k", "k": b64([]byte("secret"))},
		"oct with alg HS256":      object{"kty": "oct", "kid": "k", "alg": "HS256", "k": b64(make([]byte, 32))},
		"oct posing as RS256":     object{"kty": "oct", "kid": "k", "alg": "RS256", "k": b64(make([]byte, 32))},
		"RSA of 1024 bits":        rsaJWK(bits(1024), 65537),
		"RSA of 2047 bits":        rsaJWK(bits(2047), 65537),
		"RSA of 8193 bits":        rsaJWK(bits(8193), 65537),
		"RSA of 16384 bits":       rsaJWK(bits(16384), 65537),
		"exponent 1":              rsaJWK(good, 1),
		"exponent 3":              rsaJWK(good, 3),
		"exponent 17":             rsaJWK(good, 17),
		"exponent even":           rsaJWK(good, 65538),
		"exponent 0":              object{"kty": "RSA", "kid": "k", "n": b64(good.Bytes()), "e": ""},
		"exponent above 32 bits":  rsaJWK(good, 1<<32+1),
		"exponent above 64 bits":  object{"kty": "RSA", "kid": "k", "n": b64(good.Bytes()), "e": b64(append([]byte{1}, make([]byte, 9)...))},
		"exponent wraps to 65537": object{"kty": "RSA", "kid": "k", "n": b64(good.Bytes()), "e": b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})},
		"modulus even":            rsaJWK(new(big.Int).Add(good, big.NewInt(1)), 65537),
		"modulus zero":            object{"kty": "RSA", "kid": "k", "n": "AA", "e": "AQAB"},
		"modulus missing":         object{"kty": "RSA", "kid": "k", "e": "AQAB"},
		"off the curve":           ec.with(object{"y": ec["x"]}),
		"point at infinity":       ec.with(object{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}),
		"coordinate above field":  ec.with(object{"x": b64([]byte(strings.Repeat("\xff", 32)))}),
	} {
		t.Run("row 25: "+name, func(t *testing.T) {
			usable, dropped := loads(t, jwk, newKey("good", EdDSA).jwk())
			if len(usable) != 1 || usable[0].kid != "good" || dropped != 1 {
				t.Fatalf("%d usable, %d dropped", len(usable), dropped)
			}
		})
	}
	for _, n := range []uint{2048, 3072, 4096, 8192} {
		if usable, _ := loads(t, rsaJWK(bits(n), 65537)); len(usable) != 1 || usable[0].size != int(n/8) {
			t.Errorf("row 25: RSA of %d bits is dropped", n)
		}
	}
}

func TestOneFaultyKey(t *testing.T) {
	t.Parallel()
	key := newKey("good", ES256)
	good := jsonOf(key.jwk())
	for name, faulty := range map[string]string{
		"unknown type": `{"kty":"AKP","kid":"k","alg":"ML-DSA-44","pub":"AA"}`, "null": "null", "a number": "1", "a string": `"x"`,
		"an array": "[]", "empty": "{}", "kty a number": `{"kty":1}`, "kty null": `{"kty":null}`,
		"members repeated": good[:len(good)-1] + `,"kid":"k2"}`, "members repeated deep": `{"kty":"EC","x":{"a":1,"a":2}}`,
		"deep":          `{"kty":"EC","x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + "}",
		"nested 10,000": strings.Repeat("[", 10000) + strings.Repeat("]", 10000),
	} {
		t.Run("row 26: "+name, func(t *testing.T) {
			usable, dropped, err := parseKeySet(`{"keys":[`+faulty+","+good+","+faulty+`],"other":{"a":1}}`, setAll)
			if err != nil || len(usable) != 1 || usable[0].kid != "good" || dropped != 2 {
				t.Fatalf("%d usable, %d dropped, %v", len(usable), dropped, err)
			}
		})
	}
	for name, text := range map[string]string{
		"HTML": "<html>", "nothing": "", "null": "null", "an array": "[]", "no keys": "{}", "keys an object": `{"keys":{}}`, "keys null": `{"keys":null}`,
		"cut off": `{"keys":[` + good, "trailing text": `{"keys":[` + good + `]}x`, "keys twice": `{"keys":[` + good + `],"keys":[]}`,
		"too many keys": `{"keys":[` + strings.Repeat(good+",", maxKeys) + good + `]}`,
	} {
		if usable, _, err := parseKeySet(text, setAll); err == nil || len(usable) > 0 {
			t.Errorf("row 26: %s is taken for a key set", name)
		}
	}
}

func TestDuplicateAndAbsentKids(t *testing.T) {
	t.Parallel()
	signer := newKey("k1", ES256)
	same := func(n int) []any {
		var keys []any
		for range n {
			keys = append(keys, newKey("k1", ES256).jwk())
		}
		return keys
	}
	checks := func(v *JWT, token string) error {
		_, err := v.Verify(testContext(t), token, Requirements{})
		return err
	}
	// Keys of other algorithms under the same kid don't count as tries.
	noise := []any{newKey("k1", EdDSA).jwk(), newKey("k1", RS256).jwk()}
	srv := newKeyServer()
	srv.publishRaw(append(append(same(maxTries-1), noise...), signer.jwk())...)
	v := newJWT(t, srv.config())
	if err := checks(v, signer.token(goodClaims())); err != nil {
		t.Errorf("row 27: the last of %d keys with one kid: %v", maxTries, err)
	}
	noKid := signer.tokenOf(jsonOf(signer.header().without("kid")), jsonOf(goodClaims()))
	if err := checks(v, noKid); err != nil {
		t.Errorf("row 27: no kid: %v", err)
	}
	srv.publishRaw(append(same(maxTries), signer.jwk())...)
	if err := checks(newJWT(t, srv.config()), signer.token(goodClaims())); asCause(err) != errSignature {
		t.Errorf("row 27: one key more than are tried: %v", err)
	}
	// Keys without a kid are tried for tokens without one only.
	srv.publishRaw(signer.jwk().without("kid"))
	v = newJWT(t, srv.config())
	if err := checks(v, noKid); err != nil {
		t.Errorf("row 27: neither has a kid: %v", err)
	}
	if err := checks(v, signer.token(goodClaims())); asCause(err) != errKeyUnknown {
		t.Errorf("row 27: the key has no kid, the token has: %v", err)
	}
}

func TestKeySetIsDroppedWholeOrTakenWhole(t *testing.T) {
	t.Parallel()
	// A panic of the user's transport is an outage, not a crash.
	cfg := newKeyServer().config()
	cfg.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic("secret of the transport") })}
	v := newJWT(t, cfg)
	_, err := v.Verify(testContext(t), newKey("k1", EdDSA).token(goodClaims()), Requirements{})
	e := wantError(t, err, unavailableNow)
	if strings.Contains(fmt.Sprint(e, e.Err), "secret") {
		t.Fatalf("the panic's value is in %v", e.Err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func FuzzKeySet(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	k := &testKey{kid: "k1", alg: ES256, priv: key}
	good := jsonOf(k.jwk())
	for _, seed := range []string{
		`{"keys":[]}`, `{"keys":[` + good + `]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`, `{"keys":[null,1,{}]}`, `[]`,
		`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}`, `{"keys":[{"kty":"oct","k":"AA"}]}`,
		jsonOf(object{"keys": []any{newKey("r", RS256).jwk(), newKey("e", EdDSA).jwk()}}),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		usable, dropped, err := parseKeySet(text, setAll)
		var all struct{ Keys []json.RawMessage }
		var members map[string]json.RawMessage // exact names, unlike a struct's
		exact := json.Unmarshal([]byte(text), &members) == nil && json.Unmarshal(members["keys"], &all.Keys) == nil
		if err != nil {
			return
		}
		if exact && len(all.Keys) != len(usable)+dropped {
			t.Fatalf("%q has %d keys, and %d are found", text, len(all.Keys), len(usable)+dropped)
		}
		for _, key := range usable {
			size, ok := screen(key.raw, key.algs)
			if !ok || size != key.size || size == 0 || key.algs == 0 {
				t.Fatalf("%q: a key passed that should not: %+v", text, key)
			}
			if r, ok := key.raw.(*rsa.PublicKey); ok && r.N.BitLen() < minRSABits {
				t.Fatal("a weak key passed")
			}
			for alg := algSet(1); alg <= setEdDSA; alg <<= 1 {
				if key.verify(alg, []byte("input"), make([]byte, key.size)) {
					t.Fatal("a signature of zeros verifies")
				}
			}
		}
	})
}

// A key that is published again under another kid has that kid from then on.
func TestKeyUnderANewKid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey("old", ES256)
		renamed := *key
		renamed.kid = "new"
		srv := newKeyServer(key)
		v := newJWT(t, srv.config())
		accept(t, v, key.token(goodClaims()), "under its first kid")
		srv.publish(&renamed)
		time.Sleep(time.Minute)
		accept(t, v, renamed.token(goodClaims()), "under its new kid")
		claims := goodClaims()
		claims["jti"] = "not yet seen"
		time.Sleep(defaultUnknownKeyInterval) // the new kid has spent the budget
		refuse(t, v, key.token(claims), "under the kid that was withdrawn", tokenInvalid)
	})
}
