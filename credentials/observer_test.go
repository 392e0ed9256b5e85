package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestObserver(t *testing.T) {
	bubble(t, "is told what happens, in order, and nothing secret", func(t *testing.T) {
		i := newIssuer(t)
		var mu sync.Mutex
		var events []string
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, fmt.Sprintf(format, args...))
		}
		creds := newCreds(t, i, func(c *credentials.Config) {
			c.Audience, c.Resources, c.Scopes = "aud", []string{"https://a.test"}, []string{"read"}
			c.Observer = credentials.Observer{
				FetchStarted: func(e credentials.FetchStarted) { note("started %v", e.Target) },
				FetchEnded: func(e credentials.FetchEnded) {
					if failed := (*credentials.Error)(nil); errors.As(e.Err, &failed) {
						note("failed %v %v %v %v", e.Duration, failed.Kind, failed.RetryAfter, e.TokenValid)
						return
					}
					note("ended %v %v", e.Duration, e.Lifetime)
				},
				TokenInvalidated: func(e credentials.TokenInvalidated) { note("invalidated %v %v", e.Reason, e.Kept) },
			}
		})
		i.Script(token, credentialstest.Delay(time.Second, credentialstest.Status(503, "7")), credentialstest.Delay(time.Second))
		_ = creds.Ready(context.Background())
		time.Sleep(8 * time.Second)
		first := value(t, creds)
		i.Script(token, credentialstest.OK(), credentialstest.OK())
		time.Sleep(49 * time.Minute)
		synctest.Wait()
		second := value(t, creds)
		creds.Invalidate(second)
		third := value(t, creds)
		want := []string{
			"started {aud [https://a.test] [read]}", "failed 1s unavailable 7s false",
			"started {aud [https://a.test] [read]}", "ended 1s 1h0m0s",
			"started {aud [https://a.test] [read]}", "ended 0s 1h0m0s",
			"started {aud [https://a.test] [read]}", "ended 0s 1h0m0s",
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		// The drop and the fetch that it causes are told by two goroutines.
		var rest []string
		invalidated := 0
		for _, e := range events {
			if e == "invalidated 2 false" {
				invalidated++
				continue
			}
			rest = append(rest, e)
		}
		if strings.Join(rest, "\n") != strings.Join(want, "\n") || invalidated != 1 {
			t.Errorf("events:\n%s\nwant:\n%s", strings.Join(events, "\n"), strings.Join(want, "\n"))
		}
		for _, secret := range []string{first, second, third, clientSecret} {
			if strings.Contains(strings.Join(events, "\n"), secret) {
				t.Error("an event holds a secret")
			}
		}
	})
}

func TestErrorIsATypedStatus(t *testing.T) {
	bubble(t, "kind, code, HTTP status and RetryInfo survive wrapping", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(token, credentialstest.Status(429, "30"))
		creds := newCreds(t, i, nil)
		_ = creds.Ready(context.Background())
		time.Sleep(10 * time.Second)
		err := fmt.Errorf("loading: %w", creds.Ready(context.Background()))
		var e *credentials.Error
		if !errors.As(err, &e) || e.HTTPStatus != 429 || e.RetryAfter != 20*time.Second || e.Kind.String() != "unavailable" {
			t.Fatal(err)
		}
		st := status.Convert(err)
		info, ok := st.Details()[0].(*errdetails.RetryInfo)
		if st.Code() != codes.Unavailable || !ok || info.GetRetryDelay().AsDuration() != 20*time.Second {
			t.Fatal(st)
		}
	})
	t.Run("the zero kind is INTERNAL, never OK", func(t *testing.T) {
		if got := status.Code(&credentials.Error{}); got != codes.Internal {
			t.Fatal(got)
		}
		names := map[string]bool{}
		for k := credentials.ErrorKind(0); k <= credentials.KindCanceled+1; k++ {
			names[k.String()] = true
			switch status.Code(&credentials.Error{Kind: k}) {
			case codes.Unavailable, codes.Unauthenticated, codes.DeadlineExceeded, codes.Canceled, codes.Internal:
			default:
				t.Errorf("%v has another code", k)
			}
		}
		if len(names) != 8 {
			t.Error(names)
		}
	})
	bubble(t, "the caller's own end is found by errors.Is", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(token, credentialstest.Hang())
		creds := newCreds(t, i, nil)
		if err := creds.Ready(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := creds.Ready(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}
