package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
)

// Row 67: streams that are opened and say nothing hold no other call, and go with
// their token: the leak check is the bubble's.
func TestStreamsThatSayNothingEndWithTheirToken(t *testing.T) {
	const silent = 200
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		crowd := principal(t, "crowd", time.Minute)
		w.setToken("crowd-token", crowd)
		s := start(t, w, setupConfig{rules: byValue(), inMemory: true})
		var all sync.WaitGroup
		for range silent {
			stream, err := s.PingStream(patient(t, "crowd-token"))
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				_, err := stream.Recv()
				if status.Code(err) != codes.Unauthenticated || !time.Now().Equal(crowd.ValidUntil()) {
					t.Errorf("ended at %v with %v", time.Now(), err)
				}
			})
		}
		synctest.Wait()
		before := time.Now()
		if _, err := s.Ping(patient(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
			t.Error(err)
		}
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Error(err)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("another caller waited %v", waited)
		}
		_ = stream.CloseSend()
		_, _ = stream.Recv()
		all.Wait()
	})
}

// Rows 1 and 2: only one key is the credential's, and what else comes along costs
// nothing more.
func TestOtherMetadataIsNoCredential(t *testing.T) {
	w := newWorld(t)
	w.setToken("x", principal(t, "alice", time.Hour))
	auth := newInterceptor(t, w, setupConfig{rules: byValue()})
	info := &grpc.UnaryServerInfo{FullMethod: "/" + service + "Ping"}
	handler := func(context.Context, any) (any, error) { return nil, errors.New("reached the handler") }
	for _, key := range []string{
		"authorization-bin", "authorization ", "x-authorization", "proxy-authorization", "cookie", "access_token", ":authority", "grpcgateway-authorization",
	} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{key: {"Bearer " + aliceToken}})
		_, err := auth.Unary(ctx, &testpb.PingRequest{Value: "1"}, info, handler)
		wantStatus(t, err, codes.Unauthenticated, authz.ReasonTokenMissing)
	}
	if verified, _ := w.counts(); verified != 0 {
		t.Errorf("%d verifications", verified)
	}
	cost := func(md metadata.MD) float64 {
		ctx := metadata.NewIncomingContext(t.Context(), md)

		return testing.AllocsPerRun(20, func() { _, _ = auth.Unary(ctx, &testpb.PingRequest{Value: "1"}, info, handler) })
	}
	few, many := metadata.MD{}, metadata.MD{}
	for i := range 10_000 {
		many["key-"+strconv.Itoa(i)] = []string{strings.Repeat("v", 16)}
	}
	for _, values := range [][]string{nil, {"Bearer !"}, {"Bearer x", "Bearer x"}} {
		if values != nil {
			few["authorization"], many["authorization"] = values, values
		}
		if a, b := cost(few), cost(many); b > a+50 {
			t.Errorf("%q: %v allocations among 10,000 keys, %v alone", values, b, a)
		}
	}
	// As many values for the one key are as little to read.
	values := make([]string, 10_000)
	for i := range values {
		values[i] = fmt.Sprint("Bearer ", i)
	}
	if a, b := cost(few), cost(metadata.MD{"authorization": values}); b > a+50 {
		t.Errorf("%v allocations for 10,000 values, %v for two", b, a)
	}
}
