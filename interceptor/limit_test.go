package interceptor_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// limited adds a limit of so many calls an hour.
func limited(rule *authzv1.Rule, requests uint32, key authzv1.RateLimit_Key) *authzv1.Rule {
	rule.RateLimit = &authzv1.RateLimit{Requests: requests, Per: durationpb.New(time.Hour), Key: key}

	return rule
}

// wantLimited checks what a caller over its limit learns: when to come back and
// which limit it met, and not whose calls were counted.
func wantLimited(t *testing.T, err error, key, method string) {
	t.Helper()
	st := wantStatus(t, err, codes.ResourceExhausted, authz.ReasonRateLimited)
	if got := detail[*errdetails.RetryInfo](st).GetRetryDelay().AsDuration(); got <= 29*time.Minute || got > 30*time.Minute {
		t.Errorf("RetryInfo %v, want half an hour", got)
	}
	violations := detail[*errdetails.QuotaFailure](st).GetViolations()
	if len(violations) != 1 {
		t.Fatalf("QuotaFailure %v", violations)
	}
	v := violations[0]
	if v.GetSubject() != key || v.GetQuotaMetric() != "calls" || v.GetQuotaId() != service[:len(service)-1]+"/"+method || v.GetQuotaValue() != 2 || v.GetDescription() == "" {
		t.Errorf("QuotaFailure %v", v)
	}
}

func TestCallsBeyondTheLimit(t *testing.T) {
	hiding := limited(check("document:{value}"), 2, authzv1.RateLimit_KEY_SUBJECT)
	hiding.OnDeny = authzv1.OnDeny_ON_DENY_NOT_FOUND
	rules := byValue()
	rules["Ping"] = hiding
	rules["PingEmpty"] = limited(public(), 2, authzv1.RateLimit_KEY_METHOD)
	rules["PingList"] = limited(public(), 2, authzv1.RateLimit_KEY_METHOD)
	rules["PingError"] = limited(authenticated(), 2, authzv1.RateLimit_KEY_CLIENT)
	w := newWorld(t)
	s := start(t, w, setupConfig{rules: rules})
	t.Run("a subject's, also where the rule hides existence", func(t *testing.T) {
		for range 2 {
			if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
				t.Fatal(err)
			}
		}
		_, before := w.counts()
		for _, value := range []string{"1", "unknown"} {
			_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: value})
			wantLimited(t, err, "subject", "Ping")
		}
		if _, after := w.counts(); after != before {
			t.Error("the engine was asked about a call beyond the limit")
		}
		_, err := s.Ping(as(t, bobToken), &testpb.PingRequest{Value: "1"})
		wantCode(t, err, codes.NotFound) // another subject's calls are another's
	})
	t.Run("a public method's, unary", func(t *testing.T) {
		for range 2 {
			if _, err := s.PingEmpty(anonymous(t), &testpb.PingEmptyRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.PingEmpty(as(t, aliceToken), &testpb.PingEmptyRequest{})
		wantLimited(t, err, "method", "PingEmpty")
	})
	t.Run("a public method's, streams", func(t *testing.T) {
		list := func() error {
			stream, err := s.PingList(anonymous(t), &testpb.PingListRequest{Value: "1"})
			if err != nil {
				return err
			}
			for err == nil {
				_, err = stream.Recv()
			}

			return err
		}
		for range 2 {
			if err := list(); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		wantLimited(t, list(), "method", "PingList")
	})
	t.Run("a client's", func(t *testing.T) {
		for range 2 {
			_, err := s.PingError(as(t, aliceToken), &testpb.PingErrorRequest{})
			if reasonOf(status.Convert(err)) != "" {
				t.Fatal(err)
			}
		}
		_, err := s.PingError(as(t, aliceToken), &testpb.PingErrorRequest{})
		wantLimited(t, err, "client", "PingError")
	})
	told := 0
	for _, event := range w.decided() {
		if event.Reason == authz.ReasonRateLimited {
			told++
			if event.Code != codes.ResourceExhausted || event.Decision == nil || event.Decision.Reason() != event.Reason || event.DecisionID == "" {
				t.Errorf("told %+v", event)
			}
		}
	}
	if told != 5 {
		t.Errorf("%d refusals told, want 5", told)
	}
}

// A stream counts when it is opened, even if it never sends a message, and once,
// whatever it sends and however often it is rechecked.
func TestAStreamCountsWhenItIsOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := byValue()
		rules["PingStream"] = limited(check("document:{value}"), 2, authzv1.RateLimit_KEY_SUBJECT)
		rules["PingStream"].Stream = &authzv1.Stream{RecheckInterval: durationpb.New(time.Second)}
		w := newWorld(t)
		s := start(t, w, setupConfig{rules: rules, inMemory: true})
		silent, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		busy, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := busy.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
				t.Fatal(err)
			}
			if _, err := busy.Recv(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond) // a recheck, and a message that is asked about again
		}
		third, err := s.PingStream(as(t, aliceToken))
		if err != nil {
			t.Fatal(err)
		}
		_, err = third.Recv() // before it sent anything
		wantLimited(t, err, "subject", "PingStream")
		if err := silent.Send(&testpb.PingStreamRequest{Value: "1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := silent.Recv(); err != nil {
			t.Errorf("the first stream's first message: %v", err)
		}
		for _, stream := range []testpb.TestService_PingStreamClient{silent, busy} {
			_ = stream.CloseSend()
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		}
	})
}

// limiterFunc is a limiter of a test.
type limiterFunc func(ctx context.Context) (time.Duration, error)

func (f limiterFunc) Take(ctx context.Context, _ authz.LimitKey, _ authz.Limit) (time.Duration, error) {
	return f(ctx)
}

// Row 71: a limiter that is down makes a call UNAVAILABLE, with the time to wait, and
// nothing of its error.
func TestALimiterThatIsDown(t *testing.T) {
	for name, c := range map[string]struct {
		wait, retry time.Duration
	}{
		"row 71: for a time that isn't known": {0, time.Second},
		"row 71: for a known time":            {7 * time.Second, 7 * time.Second},
		"row 71: for a year":                  {8766 * time.Hour, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			rules := byValue()
			rules["Ping"] = limited(authenticated(), 2, authzv1.RateLimit_KEY_SUBJECT)
			rules["PingEmpty"] = limited(public(), 2, authzv1.RateLimit_KEY_METHOD)
			w := newWorld(t)
			s := start(t, w, setupConfig{rules: rules, config: func(p *parts) {
				p.authz.Limiter = limiterFunc(func(context.Context) (time.Duration, error) { return c.wait, errors.New(secret) })
			}})
			_, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"})
			st := wantStatus(t, err, codes.Unavailable, authz.ReasonLimiterUnavailable)
			if got := detail[*errdetails.RetryInfo](st).GetRetryDelay().AsDuration(); got != c.retry {
				t.Errorf("RetryInfo %v, want %v", got, c.retry)
			}
			if detail[*errdetails.QuotaFailure](st) != nil || st.Message() != "the call can't be counted at present" {
				t.Errorf("the caller is told %v", st)
			}
			_, err = s.PingEmpty(anonymous(t), &testpb.PingEmptyRequest{})
			wantStatus(t, err, codes.Unavailable, authz.ReasonLimiterUnavailable)
		})
	}
}

// A limiter in this process doesn't see the caller's token.
func TestALimiterSeesNoToken(t *testing.T) {
	var asked atomic.Int32
	rules := byValue()
	rules["Ping"] = limited(authenticated(), 2, authzv1.RateLimit_KEY_SUBJECT)
	rules["PingEmpty"] = limited(public(), 2, authzv1.RateLimit_KEY_METHOD)
	s := start(t, newWorld(t), setupConfig{rules: rules, config: func(p *parts) {
		p.authz.Limiter = limiterFunc(func(ctx context.Context) (time.Duration, error) {
			asked.Add(1)
			if md, ok := metadata.FromIncomingContext(ctx); ok {
				t.Errorf("it sees %v", md)
			}

			return 0, nil
		})
	}})
	if _, err := s.Ping(as(t, aliceToken), &testpb.PingRequest{Value: "1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PingEmpty(as(t, aliceToken), &testpb.PingEmptyRequest{}); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 2 {
		t.Errorf("it was asked %d times, want 2", asked.Load())
	}
}
