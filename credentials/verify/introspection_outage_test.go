package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestFaultyEndpoint(t *testing.T) {
	trap := newKeyServer()
	trapURL := onLoopback(t, trap).URL
	for name, fault := range map[string]credentialstest.Fault{
		"302": credentialstest.Redirect(302, trapURL+"/"), "307": credentialstest.Redirect(307, trapURL+"/"), "308": credentialstest.Redirect(308, trapURL+"/"),
		"400": credentialstest.Error(400, "invalid_request"), "401": credentialstest.Error(401, "invalid_client"), "403": credentialstest.Status(403, ""),
		"404": credentialstest.Status(404, ""), "429": credentialstest.Status(429, "3"), "500": credentialstest.Status(500, ""), "503": credentialstest.Status(503, "3"),
		"HTML": credentialstest.HTML(200), "body over the limit": credentialstest.HugeBody(10 << 20), "reset": credentialstest.Reset(),
		"cut off": credentialstest.Truncate(), "hanging": credentialstest.Hang(), "dribbling": credentialstest.SlowBody(50 * time.Millisecond), "204": credentialstest.Status(204, ""),
		"201": credentialstest.Body(201, "application/json", `{"active":true,"sub":"root"}`),
	} {
		t.Run("row 38: "+name, func(t *testing.T) {
			t.Parallel()
			issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
			in := introspectionOf(t, issuer, func(c *IntrospectionConfig) { c.Timeout = time.Second })
			issuer.Script(introspectAt, fault)
			_, err := in.Verify(t.Context(), issuer.MintOpaque(nil), Requirements{})
			e := wantError(t, err, unavailableNow)
			if e.Kind != DependencyFault || e.RetryAfter <= 0 {
				t.Errorf("kind %v, RetryAfter %v", e.Kind, e.RetryAfter)
			}
			text := fmt.Sprintf("%v %v", e, e.Err)
			if strings.Contains(text, testSecret) || strings.Contains(text, "opaque-") || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error %q tells too much", text)
			}
		})
	}
	t.Cleanup(func() {
		if n := trap.total(); n != 0 {
			t.Errorf("row 38: the token was posted again, %d times", n)
		}
	})
}

func TestOwnCredentialsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) {
			c.Auth = clientauth.SecretPost(clientauth.Constant("not-the-secret"))
		})
		for range 20 {
			e := refuse(t, in, issuer.MintOpaque(nil), "row 38: 401", unavailableNow)
			if text := e.Err.Error(); !strings.Contains(text, "401") || !strings.Contains(text, "IntrospectionConfig.ClientID") || e.RetryAfter != refusedPause {
				t.Errorf("row 38: %q, RetryAfter %v", text, e.RetryAfter)
			}
		}
		if n := issuer.Requests(introspectAt); n != 2 {
			t.Errorf("row 38: %d requests with refused credentials, want one and a probe", n)
		}
		issuer.AddClient(credentialstest.Client{ID: testClient, Secret: "not-the-secret"})
		time.Sleep(refusedPause)
		accept(t, in, issuer.MintOpaque(nil), "row 38: mended without a restart")
	})
}

func unreadable() clientauth.Method {
	return clientauth.SecretBasic(func(context.Context) (string, error) { return "", errors.New("vault path secret/x") })
}

func TestSecretThatCantBeRead(t *testing.T) {
	issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.Auth = unreadable() })
	e := refuse(t, in, "opaque", "row 38", unavailableNow)
	if strings.Contains(e.Error()+e.Err.Error(), "vault") || issuer.Requests(introspectAt) != 0 {
		t.Errorf("row 38: %v", e.Err)
	}
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Status(429, "20"))
		for range 10 {
			e := refuse(t, in, issuer.MintOpaque(nil), "row 38: 429", unavailableNow)
			if e.RetryAfter != 20*time.Second {
				t.Errorf("row 38: RetryAfter %v", e.RetryAfter)
			}
		}
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 38: %d requests before the time", n)
		}
		time.Sleep(20 * time.Second)
		accept(t, in, issuer.MintOpaque(nil), "row 38: after the time")
	})
}

func TestCircuitBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		known := issuer.MintOpaque(nil)
		accept(t, in, known, "before")
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Status(503, "")))
		before := issuer.Requests(introspectAt)
		for range 100 {
			if e := refuse(t, in, issuer.MintOpaque(nil), "row 38: down", unavailableNow); e.RetryAfter <= 0 || !strings.Contains(e.Err.Error(), "503") {
				t.Errorf("row 38: RetryAfter %v, %v", e.RetryAfter, e.Err)
			}
		}
		if n := issuer.Requests(introspectAt) - before; n != minUnwell+1 {
			t.Errorf("row 38: %d requests to a failing endpoint, want %d and a probe", n, minUnwell)
		}
		accept(t, in, known, "row 38: what is known needs no request")
		issuer.Heal(introspectAt)
		time.Sleep(probeInterval)
		accept(t, in, issuer.MintOpaque(nil), "row 38: recovered")
	})
}

func TestIntrospectionKeepsCallersOwnDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Delay(2*time.Second))
		token := issuer.MintOpaque(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := in.Verify(ctx, token, Requirements{})
		var e *Error
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("row 38: %v after %v", err, time.Since(start))
		}
		accept(t, in, token, "row 38: the request goes on for the next")
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 38: %d requests", n)
		}
	})
}

func TestFloodOfMadeUpTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.MaxConcurrent = 4 })
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Delay(100*time.Millisecond)))
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				if _, err := in.Verify(t.Context(), fmt.Sprint("made-up-", i), Requirements{}); err == nil {
					t.Error("row 38: a made-up token passes")
				}
			})
		}
		wg.Wait()
		if n := issuer.Peak(introspectAt); n > 4 {
			t.Errorf("row 38: %d requests at once, want at most 4", n)
		}
		if n := issuer.Requests(introspectAt); n > queueFactor*4 {
			t.Errorf("row 38: %d requests, want at most %d", n, queueFactor*4)
		}
		issuer.Heal(introspectAt)
		accept(t, in, issuer.MintOpaque(nil), "row 38: after the flood")
	})
}
