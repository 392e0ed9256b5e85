package verify

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

var benchAlgorithms = []Algorithm{RS256, ES256, PS256, EdDSA}

// rawCheck is the standard library's verification alone: what no verifier can do
// without.
func rawCheck(key *testKey, token string) func() bool {
	at := strings.LastIndexByte(token, '.')
	input := []byte(token[:at])
	sig := must(base64.RawURLEncoding.DecodeString(token[at+1:]))
	switch pub := key.priv.Public().(type) {
	case *rsa.PublicKey:
		if key.alg == PS256 {
			return func() bool {
				sum := sha256.Sum256(input)
				return rsa.VerifyPSS(pub, crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
			}
		}
		return func() bool {
			sum := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], sig) == nil
		}
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		return func() bool {
			sum := sha256.Sum256(input)
			return ecdsa.Verify(pub, sum[:], r, s)
		}
	case ed25519.PublicKey:
		return func() bool { return ed25519.Verify(pub, input, sig) }
	}
	panic("no such key")
}

func benchJWT(b *testing.B, cache int, keys ...*testKey) *JWT {
	b.Helper()
	cfg := newKeyServer(keys...).config()
	cfg.CacheSize = cache
	v := newJWT(b, cfg)
	if err := v.Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	return v
}

// paired runs two things by turns and reports the median time of each, the ratio
// of the medians and that of the shortest times: what the machine does meanwhile
// meets both alike, and on a busy one the shortest times are the least disturbed.
func paired(b *testing.B, raw, ours func()) {
	b.Helper()
	var a, o []time.Duration
	measure := func(f func()) time.Duration {
		start := time.Now()
		f()
		return time.Since(start)
	}
	for b.Loop() {
		a = append(a, measure(raw))
		o = append(o, measure(ours))
	}
	slices.Sort(a)
	slices.Sort(o)
	x, y := a[len(a)/2], o[len(o)/2]
	b.ReportMetric(float64(x.Nanoseconds()), "raw-ns")
	b.ReportMetric(float64(y.Nanoseconds()), "ours-ns")
	b.ReportMetric(float64(y)/float64(x), "ratio")
	b.ReportMetric(float64(o[0])/float64(a[0]), "ratio-of-shortest")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkCold: goal 4. A token that was never seen against its signature alone.
func BenchmarkCold(b *testing.B) {
	for _, alg := range benchAlgorithms {
		key := newKey("k1", alg)
		v := benchJWT(b, -1, key)
		token := key.token(goodClaims())
		raw := rawCheck(key, token)
		good := func() {
			if _, err := v.Verify(context.Background(), token, Requirements{}); err != nil {
				b.Fatal(err)
			}
		}
		check := func() {
			if !raw() {
				b.Fatal("the raw check fails")
			}
		}
		b.Run(string(alg)+"/control", func(b *testing.B) { paired(b, check, check) })
		b.Run(string(alg), func(b *testing.B) { paired(b, check, good) })
		bad := token[:strings.LastIndexByte(token, '.')+1] + b64(key.sign("another input"))
		rawBad := rawCheck(key, bad)
		b.Run(string(alg)+"/bad-signature", func(b *testing.B) { // goal 5
			paired(b, func() { rawBad() }, func() {
				if _, err := v.Verify(context.Background(), bad, Requirements{}); err == nil {
					b.Fatal("accepted")
				}
			})
		})
		b.Run(string(alg)+"/allocs", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				good()
			}
		})
	}
}

// BenchmarkRefusal: goal 5. What is refused before the signature.
func BenchmarkRefusal(b *testing.B) {
	for _, alg := range benchAlgorithms {
		key := newKey("k1", alg)
		v := benchJWT(b, 0, key)
		// The budget for unknown kids is spent: what a flood meets.
		unknown := key.tokenOf(jsonOf(key.header().with(object{"kid": "k2"})), jsonOf(goodClaims()))
		v.Verify(context.Background(), unknown, Requirements{})
		good := key.token(goodClaims())
		raw := rawCheck(key, good)
		for _, c := range []struct{ name, token string }{
			{"malformed/two-parts", good[:strings.LastIndexByte(good, '.')]},
			{"malformed/no-token", "not-a-token"},
			{"malformed/line-break", good + "\n"},
			{"malformed/too-large", strings.Repeat("a", 64<<10)},
			{"unknown-kid", unknown},
			{"expired", key.token(goodClaims().with(object{"exp": 1}))},
			{"foreign-issuer", key.token(goodClaims().with(object{"iss": "https://foreign.test"}))},
			{"foreign-audience", key.token(goodClaims().with(object{"aud": "https://foreign.test"}))},
		} {
			b.Run(string(alg)+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				start := time.Now()
				for b.Loop() {
					if _, err := v.Verify(context.Background(), c.token, Requirements{}); err == nil {
						b.Fatal("accepted")
					}
					n++
				}
				each := time.Since(start) / time.Duration(n)
				start = time.Now()
				for range 50 {
					raw()
				}
				b.ReportMetric(float64(each)/float64(time.Since(start)/50), "of-a-check")
			})
		}
	}
}

// BenchmarkCache: goal 6, of which BenchmarkFlood in internal/cache is the rest.
func BenchmarkCache(b *testing.B) {
	key := newKey("k1", EdDSA)
	v := benchJWT(b, 10_000, key)
	token := key.token(goodClaims())
	other := strings.Clone(token)
	ctx := context.Background()
	if _, err := v.Verify(ctx, token, Requirements{}); err != nil {
		b.Fatal(err)
	}
	hit := func(token string) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(ctx, token, Requirements{}); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("hit/same-pointer", hit(token))
	b.Run("hit/other-pointer", hit(other))
	b.Run("hit/parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				v.Verify(ctx, token, Requirements{})
			}
		})
	})
	b.Run("lookup/same-pointer", func(b *testing.B) {
		now := instantOf(time.Now())
		for b.Loop() {
			v.cache.get(token, now)
		}
	})

	p, _ := v.Verify(ctx, token, Requirements{})
	entry := func(i int) *cached {
		return remember(fmt.Sprintf("%s%020d", token[:len(token)-20], i), instantOf(time.Now().Add(time.Hour)), remembered{principal: p, owner: v, key: &signingKey{}})
	}
	entries := make([]*cached, 50_000)
	for i := range entries {
		entries[i] = entry(i)
	}
	b.Run("insert", func(b *testing.B) {
		b.ReportAllocs()
		now := instantOf(time.Now())
		i := 0
		for b.Loop() {
			v.cache.put(entries[i%len(entries)], now)
			i++
		}
	})
}

// BenchmarkKeySet: goal 11.
func BenchmarkKeySet(b *testing.B) {
	keys := []any{newKey("r1", RS256).jwk(), newKey("r2", RS256).jwk(), newKey("e1", ES256).jwk(), newKey("d1", EdDSA).jwk()}
	text := jsonOf(object{"keys": keys})
	b.Run("parse", func(b *testing.B) {
		paired(b, func() { // what a caller of the library needs: the set and its raw keys
			set, err := jwk.Parse([]byte(text))
			if err != nil {
				b.Fatal(err)
			}
			for i := range set.Len() {
				k, _ := set.Key(i)
				var raw any
				if err := k.Raw(&raw); err != nil {
					b.Fatal(err)
				}
			}
		}, func() {
			if usable, _, err := parseKeySet(text, setAll); err != nil || len(usable) != 4 {
				b.Fatal(err)
			}
		})
	})
	b.Run("parse/alone", func(b *testing.B) {
		paired(b, func() {
			if _, err := jwk.Parse([]byte(text)); err != nil {
				b.Fatal(err)
			}
		}, func() { parseKeySet(text, setAll) })
	})
	key := newKey("k1", EdDSA)
	v := benchJWT(b, -1, key)
	h := &header{alg: setEdDSA, kid: "k1", hasKid: true}
	b.Run("lookup", func(b *testing.B) {
		b.ReportAllocs()
		now := instantOf(time.Now())
		for b.Loop() {
			if s := v.keys.fresh(now); s == nil || !s.fits(h) {
				b.Fatal("not found")
			}
		}
	})
	b.Run("while-the-server-hangs", func(b *testing.B) {
		issuer := credentialstest.NewIssuer(b, credentialstest.Config{})
		v := newJWT(b, JWTConfig{
			Issuer: issuer.URL(), JWKSURL: issuer.JWKSURL(), Audiences: []string{credentialstest.DefaultAudience}, HTTPClient: issuer.Client(), CacheSize: -1,
			UnknownKeyInterval: time.Second,
		})
		token := issuer.Mint(nil)
		if _, err := v.Verify(b.Context(), token, Requirements{}); err != nil {
			b.Fatal(err)
		}
		issuer.Script(credentialstest.JWKSEndpoint, credentialstest.Always(credentialstest.Delay(3*time.Second)))
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		wg.Go(func() { // a flood of unknown kids keeps a fetch under way
			unknown := issuer.MintWith(credentialstest.MintConfig{Header: map[string]any{"kid": "x"}})
			for ctx.Err() == nil {
				v.Verify(ctx, unknown, Requirements{})
			}
		})
		before := issuer.Requests(credentialstest.JWKSEndpoint)
		start := time.Now()
		var took []time.Duration
		for b.Loop() {
			at := time.Now()
			if _, err := v.Verify(ctx, token, Requirements{}); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(at))
			runtime.Gosched()
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
		b.ReportMetric(float64(issuer.Requests(credentialstest.JWKSEndpoint)-before)/max(1, time.Since(start).Seconds()), "fetches/s")
		cancel()
		wg.Wait()
	})
}

// BenchmarkSharedCheck: goal 12. Sixty-four callers with one fresh token.
func BenchmarkSharedCheck(b *testing.B) {
	key := newKey("k1", ES256)
	v := benchJWT(b, 0, key)
	var mu sync.Mutex
	checks, n := 0, 0
	v.checked = func() { mu.Lock(); checks++; mu.Unlock() }
	claims := goodClaims()
	for b.Loop() {
		b.StopTimer()
		n++
		token := key.token(claims.with(object{"n": n}))
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { <-start; v.Verify(context.Background(), token, Requirements{}) })
		}
		b.StartTimer()
		close(start)
		wg.Wait()
	}
	b.ReportMetric(float64(checks)/float64(n), "checks/token")
}
