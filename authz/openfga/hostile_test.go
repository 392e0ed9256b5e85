package openfga_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
)

// hollow is a client that returns neither an answer nor an error, as one in this
// process may.
type hollow struct {
	openfga.Client

	batch *openfgav1.BatchCheckResponse
}

func (hollow) Check(context.Context, *openfgav1.CheckRequest, ...grpc.CallOption) (*openfgav1.CheckResponse, error) {
	return nil, nil
}

func (h hollow) BatchCheck(context.Context, *openfgav1.BatchCheckRequest, ...grpc.CallOption) (*openfgav1.BatchCheckResponse, error) {
	return h.batch, nil
}

func (hollow) ReadAuthorizationModel(context.Context, *openfgav1.ReadAuthorizationModelRequest, ...grpc.CallOption) (*openfgav1.ReadAuthorizationModelResponse, error) {
	return nil, nil
}

func (hollow) ReadAuthorizationModels(context.Context, *openfgav1.ReadAuthorizationModelsRequest, ...grpc.CallOption) (*openfgav1.ReadAuthorizationModelsResponse, error) {
	return nil, nil
}

func TestNoAnswerAtAll(t *testing.T) {
	for name, batch := range map[string]*openfgav1.BatchCheckResponse{
		"row 59: nothing":         nil,
		"row 59: nothing in it":   {},
		"row 59: nothing but ids": {Result: map[string]*openfgav1.BatchCheckSingleResult{"0": nil, "1": nil, "2": nil}},
		"row 59: an error of nothing": {Result: map[string]*openfgav1.BatchCheckSingleResult{
			"0": {CheckResult: &openfgav1.BatchCheckSingleResult_Error{}}, "1": {CheckResult: &openfgav1.BatchCheckSingleResult_Error{}},
			"2": {CheckResult: &openfgav1.BatchCheckSingleResult_Error{Error: &openfgav1.CheckError{}}},
		}},
	} {
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d queries", name, n), func(t *testing.T) {
				for _, model := range []string{modelID, ""} {
					e, err := openfga.New(openfga.Config{Client: hollow{batch: batch}, StoreID: storeID, ModelID: model})
					if err != nil {
						t.Fatal(err)
					}
					result, err := e.Check(deadline(t), queries(n))
					wantNoGrant(t, result)
					if err != nil {
						if model != "" {
							wantFault(t, err, authz.EngineUnavailable)
						}

						continue
					}
					for i, a := range result.Answers {
						if a.Err == nil {
							t.Errorf("row 59: answer %d is %v", i, a.Effect)
						}
					}
				}
			})
		}
	}
}

// A wait that an engine asks for is bounded before callers are told of it.
func TestRetryInfoIsBounded(t *testing.T) {
	for delay, want := range map[time.Duration]time.Duration{
		7 * time.Second: 7 * time.Second, 24 * time.Hour: 30 * time.Second, -time.Second: 0,
	} {
		st, err := status.New(codes.Unavailable, upstreamText).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
		if err != nil {
			t.Fatal(err)
		}
		e := engine(t, &front{check: func(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) { return nil, st.Err() }})
		_, err = e.Check(deadline(t), queries(1))
		if fault := wantFault(t, err, authz.EngineUnavailable); fault.RetryAfter != want {
			t.Errorf("row 61: %v for a delay of %v, want %v", fault.RetryAfter, delay, want)
		}
	}
}
