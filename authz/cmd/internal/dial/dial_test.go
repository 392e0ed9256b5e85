package dial_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/cmd/internal/dial"
)

const (
	secret = "fake-secret-of-an-engine"
	store  = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	forms  = dial.GRPCForms + ", " + dial.HTTPForms
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}

		return ""
	}
}

// connect does what commands do with a URL.
func connect(raw string, getenv func(string) string) error {
	target, err := dial.Parse(raw, forms)
	if err != nil {
		return err
	}
	if target.Engine == dial.AuthZEN || target.Engine == dial.LumoAuth {
		_, err := target.HTTP(getenv)

		return err
	}
	conn, err := target.GRPC(getenv)
	if err != nil {
		return err
	}

	return conn.Close()
}

// check fails if the error isn't the one that is wanted, or shows the secret.
func check(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) || err != nil && strings.Contains(err.Error(), secret) {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestURLs(t *testing.T) {
	for raw, want := range map[string]string{
		"openfga+grpc://h:1/" + store:                         "",
		"openfga+grpc://h:1/" + store + "/?model=" + store:    "",
		"openfga+grpc://h:1/" + store + "?model=":             "",
		"openfga+grpc+plaintext://[::1]:1/x":                  "",
		"spicedb+grpc+plaintext://localhost:1?encode_ids=x":   "true or false",
		"authzen+https://h/a/b":                               "",
		"":                                                    "is one of openfga+grpc://HOST:PORT/STORE",
		"nonsense":                                            "is one of",
		"://" + secret:                                        "is one of",
		"openfga+grpc:h":                                      "is one of",
		"openfga+grpc://%zz" + secret:                         "is one of",
		"spicedb+grpc://user:" + secret + "@h:x":              "is one of",
		strings.Repeat("x", 5000):                             "at most 2048",
		"grpc://localhost:1":                                  `no scheme "grpc"`,
		"http://localhost":                                    `no scheme "http"`,
		"topaz+grpc://h:1":                                    `no scheme "topaz+grpc"`,
		"openfga+https://h:1/x":                               `no scheme "openfga+https"`,
		"authzen+grpc://h:1/x":                                `no scheme "authzen+grpc"`,
		"authzen+https+plaintext://h:1/x":                     `no scheme "authzen+https+plaintext"`,
		"openfga+grpc+plaintext+plaintext://h:1/x":            "no scheme",
		"openfga+grpc://u:" + secret + "@h:1/" + store:        "no user and no password: set USHER_ENGINE_TOKEN",
		"openfga+grpc://h:1/" + store + "#" + secret:          "no #fragment",
		"openfga+grpc://h:1/" + store + "#":                   "no #fragment",
		"openfga+grpc://:1/x":                                 "names no host",
		"openfga+grpc://a,b:1/x":                              "names no host",
		"openfga+grpc://a%25b:1/x":                            "names no host",
		"openfga+grpc://[fe80::1%25lo]:1/x":                   "names no host",
		"openfga+grpc://h/x":                                  "names no port",
		"openfga+grpc://h:0/x":                                "names no port",
		"authzen+https://h:70000":                             "names no port",
		"openfga+grpc://h:1":                                  "name the store",
		"openfga+grpc://h:1/a/b":                              "name the store",
		"openfga+grpc://h:1/a%2Fb":                            "name the store",
		"lumoauth+https://h":                                  "name the organization",
		"spicedb+grpc://h:1/path":                             "SpiceDB has no path",
		"openfga+grpc://h:1/x?token=" + secret:                "the only parameter",
		"openfga+grpc://h:1/x?" + secret:                      "the only parameter",
		"openfga+grpc://h:1/x?model=a&model=b":                "the only parameter",
		"openfga+grpc://h:1/x?model=a;b":                      "the only parameter",
		"authzen+https://h?a=" + secret:                       "has no query",
		"openfga+grpc+plaintext://fga.internal:8081/" + store: "on this machine",
		"openfga+grpc+plaintext://localhost.example:1/x":      "on this machine",
		"openfga+grpc+plaintext://192.0.2.1:1/x":              "on this machine",
		"authzen+http://pdp.internal":                         "on this machine",
	} {
		t.Run(raw[:min(len(raw), 60)], func(t *testing.T) { check(t, connect(raw, environment()), want) })
	}
}

func TestSecretsInPlainText(t *testing.T) {
	token, key := []string{dial.TokenVariable, secret}, []string{dial.APIKeyVariable, secret}
	const exposed = "isn't sent in plain text to another machine"
	for _, c := range []struct {
		raw  string
		env  []string
		want string
	}{
		{"openfga+grpc://h:1/x", token, ""},
		{"openfga+grpc+plaintext://127.0.0.1:1/x", token, ""},
		{"openfga+grpc+insecure-plaintext://localhost:1/x", token, ""},
		{"openfga+grpc+insecure-plaintext://h:1/x", nil, ""},
		{"openfga+grpc+insecure-plaintext://h:1/x", key, ""},
		{"openfga+grpc+insecure-plaintext://h:1/x", token, exposed},
		{"openfga+grpc+insecure-plaintext://localhost.example:1/x", token, exposed},
		{"openfga+grpc+insecure-plaintext://h:1/x", []string{dial.TokenFileVariable, "nowhere"}, exposed},
		{"spicedb+grpc+insecure-plaintext://h:1", token, exposed},
		{"spicedb+grpc+insecure-plaintext://h:1", nil, exposed},
		{"authzen+insecure-http://h", nil, ""},
		{"authzen+insecure-http://h", token, exposed},
		{"authzen+insecure-http://h", key, exposed},
		{"lumoauth+insecure-http://h/x", key, exposed},
		{"lumoauth+http://localhost/x", key, ""},
		{"spicedb+grpc://h:1", nil, "set USHER_ENGINE_TOKEN or USHER_ENGINE_TOKEN_FILE"},
		{"spicedb+grpc://h:1", key, "set USHER_ENGINE_TOKEN or USHER_ENGINE_TOKEN_FILE"},
		{"lumoauth+https://h/x", nil, "set USHER_ENGINE_TOKEN"},
		{"lumoauth+https://h/x", append(token, key...), "set only one of"},
	} {
		t.Run(c.raw, func(t *testing.T) { check(t, connect(c.raw, environment(c.env...)), c.want) })
	}
}

func TestSecretsAtFault(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		return path
	}
	for name, c := range map[string]struct {
		environment []string
		want        string
	}{
		"both":             {[]string{dial.TokenVariable, secret, dial.TokenFileVariable, "x"}, "set only one of"},
		"a missing file":   {[]string{dial.TokenFileVariable, filepath.Join(folder, "none")}, "USHER_ENGINE_TOKEN_FILE: the file can't be opened"},
		"an empty file":    {[]string{dial.TokenFileVariable, write("empty", "\n")}, "isn't one line"},
		"two lines":        {[]string{dial.TokenFileVariable, write("two", secret+"\n"+secret)}, "isn't one line"},
		"a space":          {[]string{dial.TokenFileVariable, write("space", secret+" \n")}, "isn't one line"},
		"a huge file":      {[]string{dial.TokenFileVariable, write("huge", strings.Repeat("x", 20<<10))}, "not a regular file of at most"},
		"a folder":         {[]string{dial.TokenFileVariable, folder}, "not a regular file"},
		"a control char":   {[]string{dial.TokenVariable, secret + "\r\nx-evil: 1"}, "isn't one line"},
		"a broken CA":      {[]string{dial.TokenVariable, secret, dial.CAFileVariable, write("ca", secret)}, "no certificate in PEM"},
		"a CA that isn't":  {[]string{dial.TokenVariable, secret, dial.CAFileVariable, "nowhere"}, "USHER_ENGINE_CA_FILE: the file can't be opened"},
		"a good one, once": {[]string{dial.TokenFileVariable, write("good", secret+"\n")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, raw := range []string{"spicedb+grpc://h:1", "lumoauth+https://h/x"} {
				check(t, connect(raw, environment(c.environment...)), c.want)
			}
		})
	}
}

func TestNothingShowsTheSecret(t *testing.T) {
	target, err := dial.Parse("lumoauth+https://h:1/a%0Ab/", forms)
	if err != nil || target.String() != "lumoauth+https://h:1/a%0Ab" {
		t.Fatalf("%v, %v", target, err)
	}
	http, err := target.HTTP(environment(dial.TokenVariable, secret))
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", http.TokenSource, http.TokenSource, http.TokenSource); strings.Contains(text, secret) {
		t.Error("the secret shows")
	}
}

func FuzzParse(f *testing.F) {
	for _, raw := range []string{"openfga+grpc://h:1/" + store, "spicedb+grpc+plaintext://[::1]:1", "authzen+https://h/p?a", "lumoauth+insecure-http://h/o", "a+b+plaintext://"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		target, err := dial.Parse(raw, forms)
		if err != nil {
			return
		}
		if again, err := dial.Parse(target.String(), forms); err != nil || again.String() != target.String() {
			t.Errorf("%q is shown as %q: %v", raw, target, err)
		}
		if err := connect(raw, environment(dial.TokenVariable, secret)); err != nil && strings.Contains(err.Error(), secret) {
			t.Error(err)
		}
	})
}
