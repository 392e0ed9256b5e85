package fleet

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// twoIssuers trusts two issuers, each of which has a client named caller-0.
func (w *world) twoIssuers(ours, theirs string) *verify.MultiIssuer {
	w.t.Helper()
	return must(verify.NewMultiIssuer(
		w.jwt(verify.JWTConfig{Issuer: ours, IssuerName: "ours"}),
		w.jwt(verify.JWTConfig{Issuer: theirs, IssuerName: "theirs"}),
	))(w.t)
}

// TestTwoIssuersWithOneSubjectRefusedAtStart has two issuers in a verifier
// and subjects that don't tell them apart, and gives the authorizer the
// verifier for its issuers: it doesn't start.
func TestTwoIssuersWithOneSubjectRefusedAtStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		subjects authz.Subjects
		starts   bool
	}{
		"row 21a: one subject for two services":         {authz.Subjects{Service: "service:{$client_id}"}, false},
		"row 21a: one subject for two users":            {authz.Subjects{User: "user:{$sub}"}, false},
		"row 21a: one subject by a claim":               {authz.Subjects{User: "user:{$claim.email}"}, false},
		"row 21a: the issuer's name keeps them apart":   {authz.Subjects{Service: "service:{$issuer}/{$client_id}"}, true},
		"row 21a: so it does for users, beside another": {authz.Subjects{Service: "service:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := starts(w.twoIssuers("https://ours.test", "https://theirs.test"), c.subjects)
			switch {
			case c.starts && err != nil:
				t.Error(err)
			case !c.starts && err == nil:
				t.Error("it starts")
			case !c.starts && !strings.Contains(err.Error(), "{$issuer}"):
				t.Errorf("the error doesn't say what to write: %v", err)
			}
		})
	}
}

// starts reports what keeps a server of the document service from starting.
func starts(verifier *verify.MultiIssuer, subjects authz.Subjects) error {
	authorizer, err := authz.New(authz.Config{Engine: viewers(), Issuers: verifier, Subjects: subjects})
	if err != nil {
		return err
	}
	guard, err := interceptor.New(interceptor.Config{Verifier: verifier, Authorizer: authorizer})
	if err != nil {
		return err
	}
	server := grpc.NewServer(guard.ServerOptions()...)
	defer server.Stop()
	docsv1.RegisterDocumentServiceServer(server, documents{})
	return guard.ValidateServer(server)
}

// TestOneNameAtTwoIssuers calls with tokens of two issuers' processes, each
// for a client of the same name: only ours may.
func TestOneNameAtTwoIssuers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours := w.goOIDC(time.Minute, issuerClient{ID: "caller-0"})
	theirs := w.goOIDC(time.Minute, issuerClient{ID: "caller-0"})
	ours.start("a")
	theirs.start("a")
	target := w.guard(w.twoIssuers(ours.url, theirs.url), viewers("service:ours/caller-0"),
		authz.Subjects{Service: "service:{$issuer}/{$client_id}"})
	for _, c := range []struct {
		issuer *process
		want   string
	}{{ours, granted}, {theirs, denied}} {
		err := get(w.ctx, w.dial(target, c.issuer.credentials("caller-0").DialOptions()...))
		if got := reason(err); got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.issuer.url, got, err, c.want)
		}
	}
}
