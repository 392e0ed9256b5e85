package credentials_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/credentials"
)

// A faulty target must neither pass for a good one nor spoil it, though both
// look alike once joined.
func TestFaultyTargetsAreApart(t *testing.T) {
	for name, order := range map[string][2][]string{
		"a space, after":  {{"a", "b"}, {"a b"}},
		"empty, after":    {nil, {""}},
		"a space, before": {{"a b"}, {"a", "b"}},
	} {
		bubble(t, name, func(t *testing.T) {
			creds := newCreds(t, newIssuer(t), nil)
			for _, scopes := range order {
				c := creds.For(credentials.Target{Scopes: scopes})
				if len(scopes) == 1 {
					wantError(t, c.Ready(t.Context()), credentials.KindMisconfigured, codes.Internal)
				} else {
					value(t, c)
				}
			}
		})
	}
}

// gRPC takes its proxy from the environment. One on loopback makes every server
// look local, however far behind it the server is. The environment is read once
// in a process, so this runs in one of its own.
func TestLocalPlaintextNotThroughAProxy(t *testing.T) {
	if proxy := os.Getenv("USHER_TEST_PROXY"); proxy != "" {
		callThroughProxy(t)
		return
	}
	g := &guarded{}
	server := listenTCP(t)
	srv := g.server()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(server)
	}()
	t.Cleanup(func() { srv.Stop(); <-served })
	proxy := connectProxy(t, server.Addr().String())

	cmd := exec.CommandContext(within(t, time.Minute), os.Args[0], "-test.run=^TestLocalPlaintextNotThroughAProxy$", "-test.v")
	cmd.Env = append(os.Environ(), "USHER_TEST_PROXY=1", "HTTPS_PROXY="+proxy, "https_proxy="+proxy, "NO_PROXY=", "no_proxy=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("row 50: %v\n%s", err, out)
	}
	if n := len(g.tokens()); n != 0 {
		t.Errorf("row 50: %d tokens went out in the clear", n)
	}
}

func callThroughProxy(t *testing.T) {
	t.Helper()
	creds := newCreds(t, socketIssuer(t), func(c *credentials.Config) { c.HTTPClient, c.LocalPlaintext = nil, true })
	for name, opts := range map[string][]grpc.DialOption{
		"the target's own authority": nil,
		"a local authority":          {grpc.WithAuthority("localhost")},
	} {
		conn, err := grpc.NewClient("dns:///docs.invalid:8080", append(append(creds.DialOptions(), opts...),
			grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			t.Fatal(err)
		}
		err = check(within(t, 20*time.Second), healthv1.NewHealthClient(conn))
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("row 50: %s: %v", name, err)
		}
		conn.Close()
	}
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

// connectProxy answers CONNECT, whatever the name, with a way to one server.
func connectProxy(t *testing.T, server string) (address string) {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", server)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		_, _ = here.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(there, here)
			there.Close()
		}()
		_, _ = io.Copy(here, there)
		here.Close()
		<-done
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}
