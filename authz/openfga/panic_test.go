package openfga_test

import (
	"context"
	"runtime"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
)

type panicking struct{ openfga.Client }

func (panicking) ReadAuthorizationModels(context.Context, *openfgav1.ReadAuthorizationModelsRequest, ...grpc.CallOption) (*openfgav1.ReadAuthorizationModelsResponse, error) {
	panic("upstream-secret")
}

// A client that panics while the model is read, which callers share, is an error
// and doesn't end the program.
func TestPanicWhileTheModelIsRead(t *testing.T) {
	e, err := openfga.New(openfga.Config{Client: panicking{}, StoreID: storeID})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := e.Check(deadline(t), queries(1))
		wantFault(t, err, authz.EngineMisconfigured)
	}
}

type leaving struct{ openfga.Client }

func (leaving) ReadAuthorizationModels(context.Context, *openfgav1.ReadAuthorizationModelsRequest, ...grpc.CallOption) (*openfgav1.ReadAuthorizationModelsResponse, error) {
	runtime.Goexit()

	return nil, nil
}

// Row 61: a client that ends the goroutine in which the model is read is
// unavailable at once: no call waits for an answer that will never come.
func TestGoexitWhileTheModelIsRead(t *testing.T) {
	e, err := openfga.New(openfga.Config{Client: leaving{}, StoreID: storeID})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := e.Check(deadline(t), queries(1))
		wantFault(t, err, authz.EngineUnavailable)
	}
}
