package interceptortest_test

import (
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/interceptor"
	"github.com/usher-auth/usher/interceptor/interceptortest"
)

// The rules that a server enforces are committed beside its test, and the test fails when
// one changes without the file.
func ExampleLock() {
	_ = func(t *testing.T) { // func TestRules(t *testing.T)
		authorizer, err := authz.New(authz.Config{ // as production has it
			Engine:   authztest.NewEngine(),
			Issuers:  authz.Issuers{"main"},
			Subjects: authz.Subjects{User: "user:{$sub}", Service: "service:{$client_id}"},
			Rules:    config().Authz.Rules,
		})
		if err != nil {
			t.Fatal(err)
		}
		auth, err := interceptor.New(interceptor.Config{Verifier: refuses, Authorizer: authorizer})
		if err != nil {
			t.Fatal(err)
		}
		srv := grpc.NewServer()
		testpb.RegisterTestServiceServer(srv, &testpb.TestPingService{})
		interceptortest.Lock(t, auth, srv, "testdata/rules.lock.json")
	}
	// Output:
}
