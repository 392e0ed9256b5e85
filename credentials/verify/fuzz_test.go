package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// looseObject decodes with the standard library, for comparing.
func looseObject(text string) (map[string]any, bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var o map[string]any
	if d.Decode(&o) != nil || o == nil {
		return nil, false
	}
	return o, true
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":[1,2,{"b":null}]}`, `{"a":"\u00e9\ud83d\ude00"}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `{"a":-0.5e+10}`, "{\"a\":\"\xff\"}",
		`{"a":tru}`, `{"a":"\ud800"}`, ` { "a" : true } `, `{"a":1}x`, `null`, `[]`, `{"":""}`, `{"a":01}`, `{"a":"\/\b\f\n\r\t\"\\"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, err := decodeObject(text, nil)
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) || !utf8.ValidString(text) {
			t.Fatalf("%q is no JSON, and is taken", text)
		}
		loose, ok := looseObject(text)
		if !ok || len(loose) != len(members) {
			t.Fatalf("%q: %d members, the standard library sees %d", text, len(members), len(loose))
		}
		for _, m := range members {
			if got := anyValue(m.value); !reflect.DeepEqual(got, loose[m.name]) {
				t.Fatalf("%q: member %q is %#v, the standard library says %#v", text, m.name, got, loose[m.name])
			}
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		`{"alg":"ES256","typ":"at+jwt","kid":"k1"}`, `{"alg":"none"}`, `{"alg":"HS256","typ":"at+jwt"}`, `{"alg":"RS256","crit":["b64"],"b64":false}`,
		`{"alg":"ES256","typ":"JWT"}`, `{"alg":"ES256","kid":1}`, `{"alg":"ES256","Alg":"none"}`, `{"alg":"ES256","alg":"none"}`, "{\"alg\":\"ES256\",\"\u212aid\":\"x\"}",
		`{"alg":"EdDSA","jwk":{},"jku":"https://x","x5u":"https://x","x5c":[]}`, `null`, `[]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, refused := decodeHeader(b64([]byte(text)), setAll)
		if refused != nil {
			return
		}
		o, ok := looseObject(text)
		if !ok || setOf(Algorithm(o["alg"].(string))) != h.alg || h.alg == 0 {
			t.Fatalf("%q: alg", text)
		}
		if kid, has := o["kid"]; has != h.hasKid || has && kid != h.kid {
			t.Fatalf("%q: kid", text)
		}
		for _, name := range []string{"crit", "b64", "cty", "enc", "zip"} {
			if _, has := o[name]; has {
				t.Fatalf("%q: %s is ignored", text, name)
			}
		}
		for name := range o {
			for _, r := range registeredHeaders {
				if name != r && strings.EqualFold(name, r) {
					t.Fatalf("%q: %q passes for %q", text, name, r)
				}
			}
		}
	})
}

func FuzzClaims(f *testing.F) {
	good := jsonOf(goodClaims())
	for _, seed := range []string{
		good, `{"iss":"a","iss":"b"}`, `{"ISS":"a"}`, "{\"\u017fub\":\"root\"}", `{"exp":1e300}`, `{"exp":"1"}`, `{"exp":1.5}`, `{"aud":["a",1]}`, `{"scope":"a  b"}`,
		`{"scp":["a"]}`, `{"act":{"sub":"a","act":{"sub":"b"}}}`, `{"cnf":{"jkt":"x"}}`, `{"cnf":{"x5t#S256":"AA"}}`, `{"x":{"a":1,"a":2}}`, `null`, `[]`, `{"exp":-1}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, refused := decodeClaims(text)
		if refused != nil {
			return
		}
		o, ok := looseObject(text)
		if !ok {
			t.Fatalf("%q is no object, and is taken", text)
		}
		for name, got := range map[string]string{"iss": c.issuer, "sub": c.subject, "client_id": c.clientID, "jti": c.tokenID, "acr": c.acr} {
			want, _ := o[name].(string)
			if got != want {
				t.Fatalf("%q: %s is %q, the standard library says %q", text, name, got, want)
			}
		}
		for name := range o {
			for _, r := range registeredClaims {
				if name != r && strings.EqualFold(name, r) {
					t.Fatalf("%q: %q passes for %q", text, name, r)
				}
			}
		}
		for name, at := range map[string]instant{"exp": c.expires, "nbf": c.notBefore, "iat": c.issued} {
			if _, has := o[name]; has != at.present() || at.present() && (at < 0 || at > maxSeconds*1e6) {
				t.Fatalf("%q: %s is %d", text, name, at)
			}
		}
		p, err := (&identity{profile: must(newProfile(Profile{}, ""))}).principal(c, c.expires.time())
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range o {
			if got, ok := p.Claim(name); !ok || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: claim %q is %#v, the standard library says %#v", text, name, got, want)
			}
		}
		for _, scope := range p.Scopes() {
			if !p.HasScope(scope) {
				t.Fatalf("%q: scope %q", text, scope)
			}
		}
	})
}

// FuzzToken feeds whole tokens to a verifier whose keys are known: none may pass
// that its key did not sign.
func FuzzToken(f *testing.F) {
	key := newKey("k1", EdDSA)
	srv := newKeyServer(key)
	v, err := NewJWT(srv.config())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { v.Close() })
	good := key.token(goodClaims().with(object{"exp": 99999999999}))
	if _, err := v.Verify(f.Context(), good, Requirements{}); err != nil {
		f.Fatal(err)
	}
	p := strings.Split(good, ".")
	for _, seed := range []string{
		good, good + ".", good + "=", p[0] + "." + p[1] + ".", b64([]byte(`{"alg":"none"}`)) + "." + p[1] + ".", p[0] + "." + p[1], "e30.e30.e30.e30.e30",
		good[:len(good)-1] + "A", p[0] + ".\n" + p[1] + "." + p[2], p[1] + "." + p[0] + "." + p[2], "..", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := v.Verify(t.Context(), token, Requirements{})
		if err == nil {
			if token != good {
				t.Fatalf("%q passes", token)
			}
			return
		}
		var e *Error
		if got != nil || !errors.As(err, &e) || e.Kind == 0 {
			t.Fatalf("%q: %v, %v", token, got, err)
		}
		if len(token) > 8 && strings.Contains(e.Error()+e.Err.Error(), token) {
			t.Fatalf("the error quotes the token: %v", e.Err)
		}
	})
}

// FuzzProfiles reads any claims by every profile: nothing panics, and the order
// of members makes no difference.
func FuzzProfiles(f *testing.F) {
	for _, issuer := range profileTable {
		for _, c := range issuer.cases {
			f.Add(jsonOf(object{"iss": issuer.issuer, "aud": issuer.audience}.with(c.claims)))
		}
	}
	f.Add(`{"azp":"a","client_id":"b","cid":"a","scope":"x","scp":["y"],"realm_access":{"roles":["r"],"Roles":[]}}`)
	f.Add(`{"client_id":""}`)
	f.Add(`{"preferred_username":"service-account-0"}`)
	type verdict struct {
		refused              *Error
		access, introspected bool
		kind                 Kind
		client               string
		scopes, roles        []string
	}
	f.Fuzz(func(t *testing.T, text string) {
		judge := func(c *claims, p *profile) (v verdict) {
			if v.refused = p.read(c); v.refused != nil {
				return v
			}
			p.lists(c)
			v.access, v.introspected = p.isAccessToken(&header{typ: "JWT", hasTyp: true}, c), p.isAccessToken(nil, c)
			v.kind, v.client, v.scopes, v.roles = p.kind(c), c.clientID, c.scopes, c.roles
			return v
		}
		for _, issuer := range profileTable {
			c, refused := decodeClaims(text)
			if refused != nil {
				return
			}
			var backwards []string
			for _, m := range slices.Backward(c.members) {
				backwards = append(backwards, jsonOf(m.name)+":"+m.value)
			}
			again, refused := decodeClaims("{" + strings.Join(backwards, ",") + "}")
			if refused != nil {
				t.Fatalf("%q: backwards: %v", text, refused.Err)
			}
			p := must(newProfile(issuer.profile, issuer.issuer))
			one, other := judge(c, p), judge(again, p)
			if (one.refused == nil) != (other.refused == nil) {
				t.Fatalf("%s: %q: %v, backwards %v", issuer.name, text, one.refused, other.refused)
			}
			if one.refused == nil && fmt.Sprintf("%+v", one) != fmt.Sprintf("%+v", other) {
				t.Fatalf("%s: %q: %+v, backwards %+v", issuer.name, text, one, other)
			}
			if (one.access || one.introspected) && (c.tokenUse == "refresh" || c.typ == "ID" || c.marks&markEvents != 0) {
				t.Fatalf("%s: %q is accepted", issuer.name, text)
			}
			if one.kind == KindService && one.client == "" {
				t.Fatalf("%s: %q: a service without a client", issuer.name, text)
			}
		}
	})
}
