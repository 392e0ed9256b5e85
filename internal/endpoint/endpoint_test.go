package endpoint_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/internal/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheck(t *testing.T) {
	for address, want := range map[string]error{
		"https://auth.test":                    nil,
		"https://auth.test/":                   nil,
		"https://auth.test:8443/a/b?tenant=x":  nil,
		"HTTPS://AUTH.TEST/token":              nil,
		"http://127.0.0.1:8080/token":          nil,
		"http://127.9.9.9/":                    nil,
		"http://[::1]/token":                   nil,
		"http://[::ffff:127.0.0.1]/token":      nil,
		"http://localhost/token":               nil,
		"http://LocalHost:8080/token":          endpoint.ErrPlain, // package verify alone accepted it
		"http://auth.test/token":               endpoint.ErrPlain,
		"http://10.0.0.1":                      endpoint.ErrPlain,
		"http://0.0.0.0":                       endpoint.ErrPlain,
		"http://127.0.0.1.evil.test/token":     endpoint.ErrPlain,
		"http://evil.localhost/token":          endpoint.ErrPlain,
		"http://localhost./token":              endpoint.ErrPlain,
		"http://localhost.evil.test/token":     endpoint.ErrPlain,
		"http://2130706433/":                   endpoint.ErrPlain,
		"http://127.1/":                        endpoint.ErrPlain,
		"http://[::1%25lo]/token":              endpoint.ErrPlain, // package credentials alone refused it
		"http://[::ffff:10.0.0.1]/":            endpoint.ErrPlain,
		"https://a:not-a-secret@auth.test/":    endpoint.ErrUser,
		"https://@auth.test/":                  endpoint.ErrUser,
		"https://auth.test/#f":                 endpoint.ErrFragment,
		"https://auth.test/#":                  endpoint.ErrFragment, // the engines accepted it
		"ftp://auth.test/":                     endpoint.ErrScheme,
		"file://host/etc/passwd":               endpoint.ErrScheme,
		"":                                     endpoint.ErrEmpty,
		"/token":                               endpoint.ErrAbsolute,
		"//auth.test/token":                    endpoint.ErrScheme,
		"auth.test":                            endpoint.ErrAbsolute,
		"https:auth.test":                      endpoint.ErrAbsolute,
		"https:///token":                       endpoint.ErrAbsolute,
		"https://:443/token":                   endpoint.ErrAbsolute, // all accepted it
		"https://auth.test/%zz":                endpoint.ErrURL,
		"https://auth.test/\x00":               endpoint.ErrURL,
		"https://auth.test:not-a-secret/":      endpoint.ErrURL,
		"http://user:not-a-secret@10.0.0.1/":   endpoint.ErrUser,
		"https://auth.test/?q=not-a-secret#/x": endpoint.ErrFragment,
	} {
		if got := endpoint.Check(address, false); !errors.Is(got, want) {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
		// Insecure lifts that one rule and no other.
		if errors.Is(want, endpoint.ErrPlain) {
			want = nil
		}
		if got := endpoint.Check(address, true); !errors.Is(got, want) {
			t.Errorf("%q, insecure: %v, want %v", address, got, want)
		}
	}
}

// Before there was one rule, package credentials (==), package verify (any case,
// zones) and the engines (==, brackets, zones) had one each.
func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.255.255.255": true, "::1": true, "::ffff:127.0.0.1": true, "0:0:0:0:0:0:0:1": true,

		"": false, "LOCALHOST": false, "localhost.": false, "a.localhost": false, "localhost.test": false, "ｌocalhost": false, "localho\u017ft": false,
		"127.0.0.1.": false, "127.1": false, "0177.0.0.1": false, "128.0.0.1": false, "0.0.0.0": false, "::": false, "::2": false,
		"::1%lo": false, "::ffff:127.0.0.1%lo": false, "[::1]": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false,
	} {
		if got := endpoint.IsLoopback(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}

func TestMayName(t *testing.T) {
	const secure, plain = "https://auth.test/x", "http://127.0.0.1:1/x"
	for _, c := range []struct {
		document, endpoint string
		want               bool
	}{
		{secure, secure, true},
		{secure, plain, false},
		{"HTTPS://auth.test", plain, false},
		{"https://127.0.0.1", plain, false},
		{plain, plain, true},
		{plain, secure, true},
	} {
		if got := endpoint.MayName(c.document, c.endpoint); got != c.want {
			t.Errorf("%s names %s: %t", c.document, c.endpoint, got)
		}
	}
}

func TestPublic(t *testing.T) {
	for address, want := range map[string]string{
		"https://auth.test/token":                                   "https://auth.test/token",
		"https://u:not-a-secret@auth.test:1/a%2Fb?key=not-a-secret": "https://auth.test:1/a%2Fb",
		"https://auth.test/?":                                       "https://auth.test/",
		"https://auth.test/#not-a-secret":                           "https://auth.test/",
	} {
		if got, ok := endpoint.Public(address); got != want || !ok {
			t.Errorf("%q: %q", address, got)
		}
	}
	if got, ok := endpoint.Public("https://auth.test/%zz-not-a-secret"); got != "" || ok {
		t.Error(got)
	}
}

// What Check accepts is https or plain http to this host, and nothing that may
// be secret is in what is shown of it.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"https://auth.test/a?b#c", "http://localhost:1", "http://[::1%25lo]/", "https://u:p@h", "http://127.0.0.1.test", "HTTP://LOCALHOST"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if endpoint.Check(address, false) != nil {
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			t.Fatalf("%q is taken", address)
		}
		if u.Scheme != "https" && (u.Scheme != "http" || !endpoint.IsLoopback(u.Hostname())) {
			t.Fatalf("%q is taken", address)
		}
		if public, ok := endpoint.Public(address); !ok || strings.ContainsAny(public, "?#") || endpoint.Check(public, false) != nil {
			t.Fatalf("%q is shown as %q", address, public)
		}
	})
}
