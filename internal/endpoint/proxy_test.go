package endpoint_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/usher-auth/usher/internal/endpoint"
	"github.com/usher-auth/usher/internal/httpx"
)

// Plain http is accepted for hosts that net/http never sends through the proxy of
// the environment: otherwise the secret would travel to the proxy in the clear.
func TestPlainHostsAreNotProxied(t *testing.T) {
	hosts := []string{"localhost", "LOCALHOST", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]"}
	if os.Getenv("USHER_TEST_PROXIED") == "" {
		// The environment is read once by a process.
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPlainHostsAreNotProxied$")
		var proxied atomic.Int32
		proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			proxied.Add(1)
			t.Errorf("%s went through the proxy", r.URL.Host)
		}))
		defer proxy.Close()
		cmd.Env = append(os.Environ(), "USHER_TEST_PROXIED=1", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=", "REQUEST_METHOD=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	client := &http.Client{Transport: httpx.NewTransport(1)}
	defer client.CloseIdleConnections()
	for _, host := range hosts {
		address := "http://" + host + ":1/token" // nothing listens there
		if endpoint.Check(address, false) != nil {
			continue
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("client_secret=not-a-secret"))
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
		}
	}
}
