package interceptortest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	"github.com/usher-auth/usher/interceptor/interceptortest"
)

// fatal is what a test fails with.
type fatal string

// fatalTB is a test that fails by a panic.
type fatalTB struct{ fakeTB }

func (*fatalTB) Fatal(args ...any) { panic(fatal(fmt.Sprint(args...))) }

// What the server brings itself can't be configured beside it: it wouldn't count.
func TestFaultyConfigsFailTheTest(t *testing.T) {
	for want, spoil := range map[string]func(*interceptortest.Config){
		"Config.Register is required":             func(c *interceptortest.Config) { c.Register = nil },
		"Config.Authz has an Engine":              func(c *interceptortest.Config) { c.Authz.Engine = authztest.NewEngine() },
		"Config.Interceptor has a Verifier":       func(c *interceptortest.Config) { c.Interceptor.Verifier = stranger },
		"those are the server's own":              func(c *interceptortest.Config) { c.Interceptor.Authorizer = &authz.Authorizer{} },
		"MaxTokenBytes is negative":               func(c *interceptortest.Config) { c.Interceptor = interceptor.Config{MaxTokenBytes: -1} },
		"Config.Timeout is negative":              func(c *interceptortest.Config) { c.Authz.Timeout = -1 },
		"the method has no rule, so it is denied": func(c *interceptortest.Config) { c.Authz.Rules = nil },
		"isn't type:id#relation@type:id":          func(c *interceptortest.Config) { c.Tuples = []string{"document"} },
		"Config.Issuers is a nil *verify.JWT":     func(c *interceptortest.Config) { c.Authz.Issuers = (*verify.JWT)(nil) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if failed, _ := recover().(fatal); !strings.Contains(string(failed), want) {
					t.Errorf("failed with %q, want %q", failed, want)
				}
			}()
			cfg := config()
			spoil(&cfg)
			interceptortest.New(&fatalTB{}, cfg)
		})
	}
}

var stranger = verify.VerifierFunc(func(context.Context, string, verify.Requirements) (*verify.Principal, error) { return nil, nil })
