package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
)

// pssToken signs a good token with a salt of that length.
func pssToken(key *testKey, salt int) string {
	input := b64([]byte(jsonOf(key.header()))) + "." + b64([]byte(jsonOf(goodClaims())))
	hash := map[Algorithm]crypto.Hash{PS256: crypto.SHA256, PS384: crypto.SHA384, PS512: crypto.SHA512}[key.alg]
	h := hash.New()
	h.Write([]byte(input))
	signature := must(rsa.SignPSS(rand.Reader, key.priv.(*rsa.PrivateKey), hash, h.Sum(nil), &rsa.PSSOptions{SaltLength: salt}))
	return input + "." + b64(signature)
}

func TestSaltOfAnotherLength(t *testing.T) {
	t.Parallel()
	for alg, size := range map[Algorithm]int{PS256: 32, PS384: 48, PS512: 64} {
		key := newKey("k1", alg)
		cfg := newKeyServer(key).config()
		cfg.Algorithms = []Algorithm{PS256, PS384, PS512}
		v := newJWT(t, cfg)
		accept(t, v, pssToken(key, size), "row 13: the hash's length")
		for _, salt := range []int{0, 1, 20, size - 1, size + 1, 256 - size - 2} {
			if salt == 0 {
				salt = rsa.PSSSaltLengthAuto // the longest that fits
			}
			_, err := v.Verify(testContext(t), pssToken(key, salt), Requirements{})
			if err == nil {
				t.Errorf("row 13: %s with a salt of %d bytes is accepted", alg, salt)
			}
		}
	}
}

// RFC 7518 §6.2.1.2: a coordinate has the curve's length, leading zeros
// included. §6.3.1.1: a modulus has none.
func TestNumbersOfAWrongLength(t *testing.T) {
	t.Parallel()
	bad := map[string]object{}
	for _, alg := range []Algorithm{ES256, ES384, ES512} {
		size := map[Algorithm]int{ES256: 32, ES384: 48, ES512: 66}[alg]
		var key *testKey
		for key == nil {
			k := newKey("k", alg)
			if pub := k.priv.Public().(*ecdsa.PublicKey); pub.X.BitLen() <= 8*(size-1) {
				key = k
			}
		}
		pub := key.priv.Public().(*ecdsa.PublicKey)
		if keys, _ := loads(t, key.jwk()); len(keys) != 1 {
			t.Errorf("row 24: %s: a coordinate with its leading zero is dropped", alg)
		}
		bad[string(alg)+", x without its leading zero"] = key.jwk().with(object{"x": b64(pub.X.FillBytes(make([]byte, size-1)))})
		bad[string(alg)+", x with one zero more"] = key.jwk().with(object{"x": b64(pub.X.FillBytes(make([]byte, size+1)))})
		bad[string(alg)+", y with one zero more"] = key.jwk().with(object{"y": b64(pub.Y.FillBytes(make([]byte, size+1)))})
	}
	r := newKey("k", RS256).jwk()
	n := rsaOnce().N.Bytes()
	bad["modulus with a leading zero"] = r.with(object{"n": b64(append([]byte{0}, n...))})
	bad["exponent with a leading zero"] = r.with(object{"e": b64([]byte{0, 1, 0, 1})})
	bad["exponent 1"] = r.with(object{"e": b64([]byte{1})})
	for name, jwk := range bad {
		usable, dropped := loads(t, jwk, newKey("good", EdDSA).jwk())
		if len(usable) != 1 || usable[0].kid != "good" || dropped != 1 {
			t.Errorf("row 24: %s: %d usable, %d dropped", name, len(usable), dropped)
		}
	}
}

// Under a point of small order, anyone can make signatures that verify.
func TestEd25519PointsOfSmallOrder(t *testing.T) {
	t.Parallel()
	ff := strings.Repeat("ff", 30)
	for _, x := range []string{
		"01" + strings.Repeat("00", 31), "00" + strings.Repeat("00", 31), "00" + strings.Repeat("00", 30) + "80",
		"01" + strings.Repeat("00", 30) + "80",
		"ec" + ff + "7f", "ed" + ff + "7f", "ee" + ff + "7f", "ec" + ff + "ff", "ed" + ff + "ff", "ee" + ff + "ff",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	} {
		jwk := newKey("k", EdDSA).jwk().with(object{"x": b64(must(hex.DecodeString(x)))})
		if usable, dropped := loads(t, jwk); len(usable) != 0 || dropped != 1 {
			t.Errorf("row 25: the point %s is loaded", x)
		}
	}
}

func TestEd25519ByItsOwnName(t *testing.T) {
	t.Parallel()
	ed := newKey("k1", EdDSA)
	other := newKey("k2", EdDSA)
	// RFC 9864 §2.2: the same algorithm as EdDSA with an Ed25519 key.
	for name, c := range map[string]struct {
		jwk    object
		header object
		algs   []Algorithm
		want   *Error
	}{
		"in the header":               {ed.jwk(), object{"alg": "Ed25519"}, nil, nil},
		"in the key":                  {ed.jwk().with(object{"alg": "Ed25519"}), nil, nil, nil},
		"in both":                     {ed.jwk().with(object{"alg": "Ed25519"}), object{"alg": "Ed25519"}, nil, nil},
		"in the configuration":        {ed.jwk(), nil, []Algorithm{Ed25519}, nil},
		"EdDSA in the configuration":  {ed.jwk(), object{"alg": "Ed25519"}, []Algorithm{EdDSA}, nil},
		"in lower case":               {ed.jwk(), object{"alg": "ed25519"}, nil, errHeaderAlg},
		"Ed448":                       {ed.jwk(), object{"alg": "Ed448"}, nil, errHeaderAlg},
		"not in the configuration":    {ed.jwk(), object{"alg": "Ed25519"}, []Algorithm{ES256}, errHeaderAlg},
		"with a key of another curve": {newKey("k1", ES256).jwk(), object{"alg": "Ed25519"}, nil, errKeyUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newKeyServer()
			srv.publishRaw(c.jwk, other.jwk())
			cfg := srv.config()
			cfg.Algorithms = c.algs
			token := ed.tokenOf(jsonOf(ed.header().with(c.header)), jsonOf(goodClaims()))
			_, err := newJWT(t, cfg).Verify(testContext(t), token, Requirements{})
			if c.want == nil && err != nil || c.want != nil && asCause(err) != c.want {
				t.Fatalf("got %v (%v), want %v", err, asCause(err), c.want)
			}
		})
	}
	if usable, _ := loads(t, ed.jwk().with(object{"alg": "Ed448"})); len(usable) != 0 {
		t.Error("a key for Ed448 is loaded")
	}
}

// What a reader can't read is one key, not the key set.
func TestOneUnreadableKey(t *testing.T) {
	t.Parallel()
	good := jsonOf(newKey("good", ES256).jwk())
	deep := func(n int) string {
		return `{"kty":"EC","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	}
	for name, faulty := range map[string]string{
		"bad UTF-8 in kid":     "{\"kty\":\"EC\",\"kid\":\"\xff\xfe\"}",
		"bad UTF-8 in a name":  "{\"\xff\":1}",
		"bad UTF-8 alone":      "\"\xff\"",
		"a lone surrogate":     `{"kid":"\ud800"}`,
		"a bad escape":         `{"kid":"\q"}`,
		"a line break in kid":  "{\"kid\":\"a\nb\"}",
		"deeper than a token":  deep(100),
		"very deep":            deep(50_000),
		"512 members":          `{"a":1` + strings.Repeat(`,"a":1`, 600) + "}",
		"100,000 members":      `{"a":1` + strings.Repeat(`,"a":1`, 100_000) + "}",
		"a kid of 500 KiB":     `{"kty":"EC","kid":"` + strings.Repeat("k", 500<<10) + `"}`,
		"brackets in a string": `{"kid":"]}{[\"]}\\"}`,
		"no value":             `{"kid":}`,
		"a literal":            "nul",
	} {
		text := `{"keys":[` + faulty + "," + good + "," + faulty + ` ],"other":` + deep(1000) + "}"
		usable, dropped, err := parseKeySet(text, setAll)
		if err != nil || len(usable) != 1 || usable[0].kid != "good" || dropped != 2 {
			t.Errorf("row 26: %s: %d usable, %d dropped, %v", name, len(usable), dropped, err)
		}
	}
	for name, text := range map[string]string{
		"a bracket too few":  `{"keys":[` + good + `,{"kty":"EC"]}`,
		"a bracket too many": `{"keys":[` + good + `}]}`,
		"a string not ended": `{"keys":[` + good + `,"a]}`,
		"an empty element":   `{"keys":[` + good + `,,` + good + `]}`,
		"a comma at the end": `{"keys":[` + good + `,]}`,
		"no comma":           `{"keys":[` + good + good + `]}`,
		"ends in the middle": `{"keys":[` + good + `,`,
		"two documents":      `{"keys":[` + good + `]}{"keys":[` + good + `]}`,
		"keys twice":         `{"keys":[` + good + `],"k\u0065ys":[` + good + `]}`,
	} {
		if usable, _, err := parseKeySet(text, setAll); err == nil || len(usable) > 0 {
			t.Errorf("row 26: %s: taken for a key set", name)
		}
	}
}

func TestKeysThatCantBeUsedDontCount(t *testing.T) {
	t.Parallel()
	key := newKey("good", ES256)
	var junk []any
	for range 500 {
		junk = append(junk, object{"kty": "oct", "kid": "k", "k": "AA"}, object{"kty": "RSA", "use": "enc", "n": "AQ", "e": "AQAB", "kid": "e"})
	}
	usable, dropped := loads(t, append(junk, key.jwk())...)
	if len(usable) != 1 || usable[0].kid != "good" || dropped != 1000 {
		t.Fatalf("row 26: %d usable, %d dropped", len(usable), dropped)
	}
	// Keys for SPIFFE's X.509 identities and others' JWTs are not for access tokens.
	for _, use := range []string{"jwt-svid", "x509-svid", "enc", "SIG"} {
		if usable, _ := loads(t, key.jwk().with(object{"use": use})); len(usable) != 0 {
			t.Errorf("row 24: a key for %s is loaded", use)
		}
	}
	var many []any
	for range maxKeys {
		many = append(many, newKey("k", EdDSA).jwk())
	}
	if usable, _ := loads(t, many...); len(usable) != maxKeys {
		t.Errorf("%d of %d keys are loaded", len(usable), maxKeys)
	}
	if _, _, err := parseKeySet(jsonOf(object{"keys": append(many, key.jwk())}), setAll); err == nil {
		t.Error("more keys than the limit are loaded")
	}
}

// RFC 8259 §8.1: a reader may ignore a byte order mark.
func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	key := newKey("k1", ES256)
	const bom = "\ufeff"
	srv := newKeyServer(key)
	srv.setAnswer(func(r *http.Request) *http.Response {
		if r.URL.Path == "/jwks" {
			return answer(200, bom+jsonOf(object{"keys": []any{key.jwk()}}))
		}
		return answer(200, bom+jsonOf(object{"issuer": testIssuer, "jwks_uri": testIssuer + "/jwks"}))
	})
	cfg := srv.config()
	cfg.JWKSURL = ""
	accept(t, newJWT(t, cfg), key.token(goodClaims()), "row 26: a byte order mark")
	// Only one, and only there.
	srv.setAnswer(func(*http.Request) *http.Response {
		return answer(200, bom+bom+jsonOf(object{"keys": []any{key.jwk()}}))
	})
	refuse(t, newJWT(t, srv.config()), key.token(goodClaims()), "two marks", unavailableNow)
	refuse(t, newJWT(t, newKeyServer(key).config()), key.tokenOf(bom+jsonOf(key.header()), jsonOf(goodClaims())), "in a token", tokenInvalid)
}
