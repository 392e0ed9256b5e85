package e2e

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"google.golang.org/grpc"
)

// TestRotationUnderLoad rotates the issuer's key ten times while 32 callers, each
// with a token of its own for each call, keep calling: a token under a brand-new
// key is good on its first call, and one under an earlier key stays good.
func TestRotationUnderLoad(t *testing.T) {
	const (
		rotations = 10
		callers   = 32
	)
	s := newSystem(t, 5*time.Minute, &client{id: "caller", method: "client_secret_basic"})
	s.allow("caller")
	verifier := s.newJWT()
	target := s.guard(verifier, guardOptions{})
	tokens := clientcredentials.Config{
		ClientID: "caller", ClientSecret: s.clients["caller"].secret, TokenURL: s.issuer.TokenURL(),
		AuthStyle: oauth2.AuthStyleInHeader, EndpointParams: map[string][]string{"resource": {audience}},
	}
	ctx := context.WithValue(s.ctx, oauth2.HTTPClient, s.http)

	var calls, refusals atomic.Int64
	stop := make(chan struct{})
	var running sync.WaitGroup
	for range callers {
		docs := s.connect(target, s.transport(nil))
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				token, err := tokens.Token(ctx)
				if err != nil {
					t.Errorf("a token: %v", err)
					return
				}
				err = kinds["unary"](ctx, docs, grpc.PerRPCCredentials(fixed(token.AccessToken)))
				calls.Add(1)
				if err != nil {
					refusals.Add(1)
					t.Errorf("refused: %s", reason(err))
				}
			}
		})
	}
	old := must(tokens.Token(ctx))(t)
	for range rotations {
		if _, err := s.issuer.Rotate(); err != nil {
			t.Fatal(err)
		}
		// Until every caller can have brought a token under the new key, and then
		// until the verifier may fetch again for an unknown key: real rotations
		// are days apart.
		for seen := calls.Load(); calls.Load() < seen+3*callers && s.ctx.Err() == nil; {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(unknownKeyInterval)
	}
	close(stop)
	running.Wait()
	expect(t, kinds["unary"](ctx, s.connect(target, s.transport(nil)), grpc.PerRPCCredentials(fixed(old.AccessToken))), granted)
	t.Logf("%d rotations, %d callers, %d calls, %d wrong refusals", rotations, callers, calls.Load(), refusals.Load())
}
