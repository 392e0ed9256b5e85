package interceptor_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// name sends one message that names an object, and receives the answer.
func name(stream testpb.TestService_PingStreamClient, value string) error {
	if err := stream.Send(&testpb.PingStreamRequest{Value: value}); err != nil {
		return err
	}
	_, err := stream.Recv()

	return err
}

// Row 65: a caller can't make a stream forget an object by naming others.
func TestAStreamForgetsNoObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = time.Minute
		w := newWorld(t)
		set := byValue()
		set["PingStream"] = rechecked(check("document:{value}"), interval)
		s := start(t, w, setupConfig{rules: set, inMemory: true})
		began := time.Now()
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		if err := name(stream, "1"); err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			id := "other-" + strconv.Itoa(i)
			w.allow("document:" + id + "#viewer@user:alice")
			if err := name(stream, id); err != nil {
				t.Fatal(err)
			}
		}
		w.revoke("document:1#viewer@user:alice")
		endsAt(t, func() error { _, err := stream.Recv(); return err }, codes.PermissionDenied, authz.ReasonRelationDenied, began.Add(interval))
	})
}

// What a stream has to remember is bounded, and beyond that it is refused: what
// can't be asked about again isn't granted.
func TestAStreamOfTooManyObjectsIsRefused(t *testing.T) {
	for label, long := range map[string]bool{"many objects": false, "long names": true} {
		t.Run(label, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				set := byValue()
				set["PingStream"] = rechecked(check("document:{value}"), time.Hour)
				s := start(t, w, setupConfig{rules: set, inMemory: true})
				stream, err := s.PingStream(patient(t, aliceToken))
				if err != nil {
					t.Fatal(err)
				}
				padding := ""
				if long {
					padding = strings.Repeat("x", 1000)
				}
				named := 0
				for ; err == nil && named < 10_000; named++ {
					id := strconv.Itoa(named) + padding
					w.allow("document:" + id + "#viewer@user:alice")
					err = name(stream, id)
				}
				wantStatus(t, err, codes.ResourceExhausted, authz.ReasonTooManyObjects)
				if long && named > 1024 || !long && named < 1000 {
					t.Errorf("refused after %d objects", named)
				}
			})
		})
	}
}

// Row 65: a caller can't put a recheck off by naming many objects: they are asked
// about several at a time, and a denial of one is what the refusal tells.
func TestManyObjectsDoNotDelayTheRecheck(t *testing.T) {
	const (
		interval = 10 * time.Second
		latency  = 100 * time.Millisecond
		objects  = 400
	)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		engine := &delayed{world: w}
		set := byValue()
		set["PingStream"] = rechecked(check("document:{value}"), interval)
		s := start(t, w, setupConfig{rules: set, inMemory: true, config: func(c *parts) { c.authz.Engine = engine }})
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		for i := range objects {
			id := strconv.Itoa(i)
			w.allow("document:" + id + "#viewer@user:alice")
			if err := name(stream, id); err != nil {
				t.Fatal(err)
			}
		}
		engine.by.Store(int64(latency))
		before := len(w.decided())
		time.Sleep(2*interval - time.Second)
		rechecks := w.decided()[before:]
		if len(rechecks) != 1 || !rechecks[0].Allowed() || rechecks[0].Duration > interval {
			t.Errorf("rechecked: %+v", rechecks)
		}
		w.revoke("document:7#viewer@user:alice")
		began := time.Now()
		_, err = stream.Recv()
		wantStatus(t, err, codes.PermissionDenied, authz.ReasonRelationDenied)
		if took := time.Since(began); took > interval {
			t.Errorf("noticed after %v", took)
		}
		if events := w.decided(); events[len(events)-1].Decision.Allowed() {
			t.Error("the refusal has the decision of another object")
		}
	})
}

// delayed is an engine that takes its time.
type delayed struct {
	*world

	by atomic.Int64
}

func (d *delayed) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	select {
	case <-time.After(time.Duration(d.by.Load())):
		return d.world.Check(ctx, batch)
	case <-ctx.Done():
		return authz.Result{}, ctx.Err()
	}
}

// Row 65: a message whose objects can't be pinned is asked about again, too.
func TestAMessageThatCannotBePinnedIsAskedAboutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = time.Minute
		w := newWorld(t)
		w.allow("document:2#viewer@user:alice")
		either := &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{
			{Condition: &authzv1.Condition_Match{Match: &authzv1.Match{Left: "{value|uuid}", Right: "{$sub}"}}},
			{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:{value}", Relation: "viewer"}}},
		}}}}
		set := byValue()
		set["PingStream"] = rechecked(either, interval)
		s := start(t, w, setupConfig{rules: set, inMemory: true})
		began := time.Now()
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"1", "2"} {
			if err := name(stream, value); err != nil {
				t.Fatal(err)
			}
		}
		w.revoke("document:2#viewer@user:alice")
		endsAt(t, func() error { _, err := stream.Recv(); return err }, codes.PermissionDenied, authz.ReasonRelationDenied, began.Add(interval))
	})
}

// A message that the stream's memory lets through is no decision: no hook is told.
func TestRememberedMessagesAreNotReported(t *testing.T) {
	first := check("document:{value}")
	first.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
	for label, c := range map[string]struct {
		rule *authzv1.Rule
		want int
	}{
		"held to the first message": {first, 1},
		"within the interval":       {rechecked(check("document:{value}"), time.Hour), 1},
		"each message":              {check("document:{value}"), 5},
	} {
		t.Run(label, func(t *testing.T) {
			w := newWorld(t)
			set := byValue()
			set["PingStream"] = c.rule
			s := start(t, w, setupConfig{rules: set})
			stream, err := s.PingStream(as(t, aliceToken))
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				if err := name(stream, "1"); err != nil {
					t.Fatal(err)
				}
			}
			if events := w.decided(); len(events) != c.want {
				t.Errorf("%d events, want %d: %+v", len(events), c.want, events)
			}
		})
	}
}

// A call whose handler returns doesn't wait for the answers of a recheck.
func TestHandlersReturnEndsARecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 10 * time.Second
		w := newWorld(t)
		engine := &delayed{world: w}
		set := byValue()
		set["PingStream"] = rechecked(check("document:{value}"), interval)
		s := start(t, w, setupConfig{
			rules: set, inMemory: true, config: func(c *parts) { c.authz.Engine = engine },
			impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
				_, err := stream.Recv()
				time.Sleep(interval + time.Second)

				return err
			}},
		})
		began := time.Now()
		stream, err := s.PingStream(patient(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		engine.by.Store(int64(time.Minute))
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if took := time.Since(began); took != interval+time.Second {
			t.Errorf("ended after %v", took)
		}
		time.Sleep(time.Hour) // the request that is under way ends
	})
}
