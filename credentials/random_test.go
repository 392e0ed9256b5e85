package credentials_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// ledger knows what happened to each token.
type ledger struct {
	mu         sync.Mutex
	expires    map[string]time.Time
	dropped    map[string]time.Time
	superseded map[string]time.Time // when another was served after it was dropped
}

// TestRandomFaults lets callers, refusals and faults meet in any order, and
// holds what must always be true: no token is served after its expiry, or after
// it was dropped and a newer one was at hand, no two requests of a target run at
// once, and neither calls nor refusals can raise the rate of requests.
func TestRandomFaults(t *testing.T) {
	for seed := range uint64(12) {
		bubble(t, "seed", func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			life := []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute, time.Hour}[seed%4]
			i := newIssuerWith(t, credentialstest.Config{Lifetime: life})
			creds := newCreds(t, i, func(c *credentials.Config) { c.FetchTimeout = 2 * time.Second })
			book := ledger{expires: map[string]time.Time{}, dropped: map[string]time.Time{}, superseded: map[string]time.Time{}}
			faults := []credentialstest.Fault{
				credentialstest.OK(), credentialstest.OK(), credentialstest.OK(), credentialstest.Delay(time.Second), credentialstest.Hang(),
				credentialstest.Status(503, ""), credentialstest.Status(429, "5"), credentialstest.HTML(200), credentialstest.Reset(),
				credentialstest.Truncate(), credentialstest.Error(401, "invalid_client"), credentialstest.Error(400, "invalid_scope"),
				credentialstest.Alter(map[string]any{"access_token": "a b"}), credentialstest.Alter(map[string]any{"token_type": "DPoP"}),
			}
			const span = 10 * time.Minute
			end := time.Now().Add(span)
			drops := 0
			var wg sync.WaitGroup
			for n := range 8 {
				rnd := rand.New(rand.NewPCG(seed, uint64(n)+2))
				wg.Go(func() {
					for time.Now().Before(end) {
						start := time.Now()
						ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+rnd.IntN(3000))*time.Millisecond)
						tok, err := creds.Token(ctx)
						cancel()
						now := time.Now()
						if err == nil {
							book.mu.Lock()
							if at, ok := book.superseded[tok.AccessToken]; ok && at.Before(start) {
								t.Errorf("a token that gave way to a newer one %v ago is served", now.Sub(at))
							}
							for old, at := range book.dropped {
								if _, ok := book.superseded[old]; !ok && old != tok.AccessToken && at.Before(start) {
									book.superseded[old] = now
								}
							}
							if !now.Before(tok.Expiry) {
								t.Errorf("a token is served %v after its expiry", now.Sub(tok.Expiry))
							}
							book.expires[tok.AccessToken] = tok.Expiry
							book.mu.Unlock()
							if rnd.IntN(200) == 0 {
								creds.Invalidate(tok.AccessToken)
								book.mu.Lock()
								book.dropped[tok.AccessToken] = time.Now()
								drops++
								book.mu.Unlock()
							}
						}
						time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond)
					}
				})
			}
			wg.Go(func() {
				for time.Now().Before(end) {
					switch random.IntN(8) {
					case 0:
						i.Down()
					case 1, 2:
						i.Up()
						i.Heal(token)
					default:
						i.Script(token, faults[random.IntN(len(faults))])
					}
					time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
				}
			})
			wg.Wait()
			// Renewals at their pace, plus one forced refresh each 30 s, plus the
			// attempts of outages, which are at least 0.8 s apart.
			most := int(span/(life*3/4)) + int(span/(30*time.Second)) + int(span/(800*time.Millisecond))
			if got := i.Requests(token); i.Peak(token) > 1 || got > most {
				t.Errorf("%d requests, %d at a time; at most %d, one at a time", got, i.Peak(token), most)
			}
			// Whatever happened, it recovers.
			i.Up()
			i.Heal(token)
			time.Sleep(6 * time.Minute)
			if err := creds.Ready(within(t, time.Minute)); err != nil {
				t.Errorf("no recovery after %d drops: %v", drops, err)
			}
		})
	}
}
