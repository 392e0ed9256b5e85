package interceptortest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
	"github.com/usher-auth/usher/interceptor/interceptortest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// recorder is a test that records how it fails.
type recorder struct {
	testing.TB

	failed, fatal bool
	text          string
}

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return "TestRules" }

func (r *recorder) Logf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) }

func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	r.text += fmt.Sprintf(format, args...)
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = true
	r.Errorf(format, args...)
	runtime.Goexit()
}

// guarded is a server as production has it.
func guarded(t *testing.T, change func(*authz.Config)) (*interceptor.Interceptor, *grpc.Server) {
	t.Helper()
	rules := config().Authz
	rules.Engine, rules.Issuers = authztest.NewEngine(), authz.Issuers{"main"}
	rules.Subjects = authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"}
	if change != nil {
		change(&rules)
	}
	authorizer, err := authz.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	auth, err := interceptor.New(interceptor.Config{Verifier: refuses, Authorizer: authorizer})
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(auth.ServerOptions()...)
	testpb.RegisterTestServiceServer(server, &testpb.TestPingService{})

	return auth, server
}

// refuses is a verifier without callers.
var refuses = verify.VerifierFunc(func(context.Context, string, verify.Requirements) (*verify.Principal, error) {
	return nil, &verify.Error{Kind: verify.CredentialFault}
})

// lock runs Lock in a goroutine of its own, as a test's is.
func lock(t *testing.T, path string, change func(*authz.Config)) *recorder {
	t.Helper()
	auth, server := guarded(t, change)

	return locking(t, auth, server, path)
}

func locking(t *testing.T, auth *interceptor.Interceptor, server interceptor.ServiceInfoProvider, path string) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		interceptortest.Lock(r, auth, server, path)
	}()
	<-done

	return r
}

func TestLock(t *testing.T) {
	t.Setenv("CI", "")
	path := filepath.Join(t.TempDir(), "rules.lock.json")
	if r := lock(t, path, nil); !r.fatal || !strings.Contains(r.text, "doesn't exist; run USHER_UPDATE=1 go test -run '^TestRules$'") {
		t.Error(r.text)
	}
	t.Setenv("USHER_UPDATE", "1")
	if r := lock(t, path, nil); r.failed || !strings.Contains(r.text, "wrote") {
		t.Error(r.text)
	}
	t.Setenv("USHER_UPDATE", "")
	if r := lock(t, path, nil); r.failed || r.text != "" {
		t.Error(r.text)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "grpc.health") || !strings.Contains(string(text), `"testing.testpb.v1.TestService/Ping": {`) {
		t.Errorf("the file has:\n%s", text)
	}
	// A checkout may end its lines otherwise.
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := lock(t, path, nil); r.failed {
		t.Error(r.text)
	}
}

func TestLockFailsWhenRulesChange(t *testing.T) {
	t.Setenv("CI", "")
	path := filepath.Join(t.TempDir(), "rules.lock.json")
	t.Setenv("USHER_UPDATE", "1")
	lock(t, path, nil)
	t.Setenv("USHER_UPDATE", "")
	for name, tc := range map[string]struct {
		change func(*authz.Config)
		want   []string
	}{
		"a rule in code": {func(c *authz.Config) {
			c.Rules[1].Rule.GetCheck().Relation = "owner"
			c.Rules[1].Rule.AccessToken = &authzv1.AccessToken{Scopes: []string{"a"}}
		}, []string{"TestService/Ping: changed: check, access_token"}},
		"a rule that is looser": {func(c *authz.Config) {
			c.Rules[1].Rule = &authzv1.Rule{Policy: &authzv1.Rule_Public{Public: &authzv1.Public{}}}
		}, []string{"TestService/Ping: changed: public, check", "TestService/Ping: looser: now also: "}},
		"a subject": {func(c *authz.Config) { c.Subjects.User = "person:{$sub}" }, []string{`Subjects.User: was "user:{$sub}", is "person:{$sub}"`}},
		"an issuer": {func(c *authz.Config) {
			c.Issuers = authz.Issuers{"main", "other"}
			c.IssuerSubjects = map[string]authz.Subjects{"other": {User: "other:{$sub}"}}
		}, []string{"the issuers: was [main], is [main other]", `IssuerSubjects["other"]: was not set, is set`, `IssuerSubjects["other"].User: was "", is "other:{$sub}"`}},
		"permissions of the token": {func(c *authz.Config) { c.Permissions = authz.ClaimPermissions{} }, []string{"permissions are the token's: was false, is true"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := lock(t, path, tc.change)
			if !r.failed || r.fatal || !strings.Contains(r.text, "if all of this is meant, run USHER_UPDATE=1") {
				t.Errorf("%+v", r)
			}
			for _, want := range tc.want {
				if !strings.Contains(r.text, want) {
					t.Errorf("no %q in %s", want, r.text)
				}
			}
		})
	}
}

func TestLockIsNeverWrittenByAPipeline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules.lock.json")
	t.Setenv("USHER_UPDATE", "1")
	t.Setenv("CI", "true")
	if r := lock(t, path, nil); !r.fatal || !strings.Contains(r.text, "on your machine") {
		t.Error(r.text)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was written")
	}
}

func TestLockRefuses(t *testing.T) {
	t.Setenv("USHER_UPDATE", "")
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte("{\n\"version\": 9}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := lock(t, broken, nil); !r.fatal || !strings.Contains(r.text, "line 2") {
		t.Error("a file of another version:", r.text)
	}
	if r := lock(t, dir, nil); !r.fatal {
		t.Error("a folder:", r.text)
	}
	auth, _ := guarded(t, nil)
	if r := locking(t, auth, grpc.NewServer(), broken); !r.fatal || !strings.Contains(r.text, "no method") {
		t.Error("a server without services:", r.text)
	}
}
