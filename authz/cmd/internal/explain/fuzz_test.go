package explain_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cmd/internal/explain"
	"github.com/usher-auth/usher/authz/cmd/internal/report"
)

// FuzzCall shows that no caller and no request ends the program or is granted what the
// engine doesn't grant.
func FuzzCall(f *testing.F) {
	for _, seed := range [][4]string{
		{"user:alice", "", "docs", `{"id":"1"}`},
		{"service:s", "client", "docs", `{"id":"a:b","within":{"id":"x"}}`},
		{"none", "", "", `{`},
		{"user:\u202e", "\x00", "a b", `{"any":{"@type":"t/docs.v1.GetRequest","id":"1"}}`},
	} {
		f.Add(seed[0], seed[1], seed[2], []byte(seed[3]))
	}
	engine, from := authztest.NewEngine(), source(f, docs)
	f.Fuzz(func(t *testing.T, as, client, scope string, message []byte) {
		for _, method := range []string{"Get", "May", "Admin"} {
			result, err := explain.Call(t.Context(), explain.Config{Source: from, Engine: authz.Engine(engine)}, explain.Request{
				Method: "docs.v1.Docs/" + method, Caller: explain.Caller{As: as, Client: client, Scopes: []string{scope}}, Message: message,
			})
			if err != nil {
				continue
			}
			if result.Outcome.Decision != explain.Denied {
				t.Errorf("%s is %+v", method, result.Outcome)
			}
			var out strings.Builder
			if err := result.WriteText(&out, report.Printable); err != nil || strings.ContainsAny(out.String(), "\x1b\u202e\x00") {
				t.Errorf("%q, %v", out.String(), err)
			}
		}
	})
}
