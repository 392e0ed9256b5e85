package authz_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// rechecked is a rule that asks about each message, and again after the interval.
func rechecked(rule *authzv1.Rule, interval time.Duration) *authzv1.Rule {
	rule.Stream = &authzv1.Stream{RecheckInterval: durationpb.New(interval)}

	return rule
}

func names(text string) *authz.Call {
	return &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{Text: text}}
}

// told counts the decisions that an observer is told of.
func told(n *atomic.Int64) authz.Observer {
	return authz.Observer{Decided: func(context.Context, *authz.Decision) { n.Add(1) }}
}

// Within the interval a stream remembers each set of objects by itself, and what it
// remembers is no decision: no observer is told.
func TestStreamRemembersWithinTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newTuples("document:a#viewer@user:alice", "document:b#viewer@user:alice")
		var decisions atomic.Int64
		method := newAuthorizer(t, authz.Config{Engine: engine, Observer: told(&decisions), Resolver: ruled(t, nil, map[string]*authzv1.Rule{
			"Stream": rechecked(check("document:{text}", "viewer"), time.Minute),
		})}).Method("/t.S/Stream")
		stream := method.NewStream()
		for i, step := range []struct {
			text       string
			wait       time.Duration
			want       authz.Reason
			remembered bool
		}{
			{"a", 0, "", false},
			{"b", 0, "", false},
			{"a", time.Second, "", true},
			{"b", 58 * time.Second, "", true},
			{"c", 0, authz.ReasonRelationDenied, false},
			{"", 0, authz.ReasonObjectMissing, false},
			{"a", time.Second, "", false},
			{"a", 0, "", true},
		} {
			time.Sleep(step.wait)
			before, asked := decisions.Load(), engine.requests()
			decision, err := stream.Authorize(t.Context(), names(step.text))
			if reasonOf(err) != step.want || decision.Remembered() != step.remembered || decision.Allowed() != (step.want == "") {
				t.Fatalf("step %d: %v, %v", i, decision, err)
			}
			if step.remembered != (decisions.Load() == before) {
				t.Errorf("step %d: %d observed", i, decisions.Load()-before)
			}
			if step.remembered && engine.requests() != asked {
				t.Errorf("step %d: the engine was asked", i)
			}
		}
	})
}

// Without a recheck interval every message is asked about, and a recheck, which
// would have nothing to ask about, refuses.
func TestStreamWithoutAnIntervalRemembersNothing(t *testing.T) {
	engine := newTuples("document:a#viewer@user:alice")
	stream := one(t, engine, "Stream", check("document:{text}", "viewer")).NewStream()
	for range 3 {
		if decision, err := stream.Authorize(t.Context(), names("a")); err != nil || decision.Remembered() {
			t.Fatal(decision, err)
		}
	}
	if engine.requests() != 3 {
		t.Errorf("asked %d times", engine.requests())
	}
	if decision, err := stream.Recheck(t.Context(), names("a")); reasonOf(err) != authz.ReasonMisconfigured || decision.Allowed() {
		t.Error(decision, err)
	}
}

// What the rule refuses without looking at memory it refuses with it, too: no stream
// lets a call through that has no caller, nor under a rule that is faulty or missing.
func TestStreamRefusesWhatItsMethodRefuses(t *testing.T) {
	rule := func(object string) *authzv1.Rule { return rechecked(check(object, "viewer"), time.Minute) }
	first := rule("document:{text}")
	first.Stream.MessageCheck = authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE
	faulty := rule("document:{text}")
	faulty.AccessToken = &authzv1.AccessToken{Scopes: []string{""}}
	authorizer := newAuthorizer(t, authz.Config{Engine: grantsAll(), Resolver: ruled(t, nil, map[string]*authzv1.Rule{
		"Stream": rule("document:{text}"), "StreamM": first, "StreamOwn": rule("document:{nonsense}"), "StreamEach": faulty,
	})})
	if m := authorizer.Method("/t.S/StreamEach"); m.Err() == nil || !m.ReadsMessage() || m.RecheckInterval() == 0 {
		t.Fatal("the faulty rule is none")
	}
	for _, name := range []string{"Stream", "StreamM"} {
		stream := authorizer.Method("/t.S/" + name).NewStream()
		if _, err := stream.Authorize(t.Context(), names("a")); err != nil {
			t.Fatal(err)
		}
		for label, call := range map[string]*authz.Call{"no call": nil, "no caller": {Message: &docsv1.Kinds{Text: "a"}}} {
			for way, decide := range map[string]func(context.Context, *authz.Call) (*authz.Decision, error){"message": stream.Authorize, "recheck": stream.Recheck} {
				if decision, err := decide(t.Context(), call); reasonOf(err) != authz.ReasonTokenMissing || decision.Allowed() {
					t.Errorf("%s, %s, %s: %v, %v", name, label, way, decision, err)
				}
			}
			if decision, err := authorizer.Method("/t.S/"+name).NewStream().Recheck(t.Context(), call); reasonOf(err) != authz.ReasonTokenMissing || decision.Allowed() {
				t.Errorf("%s, %s, recheck of nothing: %v, %v", name, label, decision, err)
			}
		}
	}
	for name, want := range map[string]authz.Reason{
		"StreamOwn": authz.ReasonMisconfigured, "StreamEach": authz.ReasonMisconfigured, "Absent": authz.ReasonRuleMissing,
	} {
		stream := authorizer.Method("/t.S/" + name).NewStream()
		for way, decide := range map[string]func(context.Context, *authz.Call) (*authz.Decision, error){"message": stream.Authorize, "recheck": stream.Recheck} {
			if decision, err := decide(t.Context(), names("a")); reasonOf(err) != want || decision.Allowed() {
				t.Errorf("%s, %s: %v, %v", name, way, decision, err)
			}
		}
	}
}

// What a stream has to remember is bounded, and beyond that a message is refused,
// with the checks that were made.
func TestStreamOfTooManyObjectsIsRefused(t *testing.T) {
	for label, c := range map[string]struct {
		padding     string
		least, most int
	}{
		"many objects": {"", 1024, 1024}, "long names": {strings.Repeat("x", 1000), 100, 1023},
	} {
		t.Run(label, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream := one(t, grantsAll(), "Stream", rechecked(check("document:{text}", "viewer"), time.Hour)).NewStream()
				granted := 0
				var decision *authz.Decision
				var err error
				for ; err == nil && granted < 10_000; granted++ {
					call := names(strconv.Itoa(granted) + c.padding)
					call.Explain = true
					decision, err = stream.Authorize(t.Context(), call)
				}
				granted--
				if reasonOf(err) != authz.ReasonTooManyObjects || granted < c.least || granted > c.most {
					t.Errorf("%v after %d objects", err, granted)
				}
				if decision.Allowed() || decision.Reason() != authz.ReasonTooManyObjects || decision.Err() == nil || len(decision.Checks()) != 1 {
					t.Errorf("the decision is %v", decision)
				}
				if decision, err := stream.Authorize(t.Context(), names("0"+c.padding)); err != nil || !decision.Remembered() {
					t.Errorf("what it remembers: %v, %v", decision, err)
				}
				time.Sleep(2 * time.Hour)
				if decision, err := stream.Authorize(t.Context(), names("0"+c.padding)); err != nil || decision.Remembered() {
					t.Errorf("what it remembered for long enough: %v, %v", decision, err)
				}
			})
		})
	}
}

// What a stream remembers is a copy: the message is its owner's to change.
func TestStreamRemembersACopy(t *testing.T) {
	engine := newTuples("document:a#viewer@user:alice")
	stream := one(t, engine, "Stream", rechecked(check("document:{text}", "viewer"), time.Hour)).NewStream()
	call := names("a")
	if _, err := stream.Authorize(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	proto.Reset(call.Message)
	if _, err := stream.Recheck(t.Context(), call); err != nil {
		t.Error(err)
	}
}

// A recheck asks about every object again, past the cache and whatever message is
// in the call, and what it grants is fresh again.
func TestStreamRecheckAsksAboutEveryObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newTuples("document:a#viewer@user:alice", "document:b#viewer@user:alice")
		method := newAuthorizer(t, authz.Config{
			Engine: engine, Cache: authz.CacheConfig{Size: 100, TTL: time.Hour},
			Resolver: ruled(t, nil, map[string]*authzv1.Rule{"Stream": rechecked(check("document:{text}", "viewer"), time.Minute)}),
		}).Method("/t.S/Stream")
		stream := method.NewStream()
		if decision, err := stream.Recheck(t.Context(), names("x")); err != nil || !decision.Remembered() || engine.requests() != 0 {
			t.Errorf("before its first message: %v, %v", decision, err)
		}
		for _, text := range []string{"a", "b"} {
			if _, err := stream.Authorize(t.Context(), names(text)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		before := engine.requests()
		if decision, err := stream.Recheck(t.Context(), names("x")); err != nil || decision.Remembered() || !decision.Allowed() {
			t.Error(decision, err)
		}
		if asked := engine.requests() - before; asked != 2 {
			t.Errorf("asked %d times", asked)
		}
		for _, text := range []string{"a", "b"} {
			if decision, err := stream.Authorize(t.Context(), names(text)); err != nil || !decision.Remembered() {
				t.Error(text, decision, err)
			}
		}
		engine.allowed["document:b#viewer@user:alice"] = false
		decision, err := stream.Recheck(t.Context(), names("a"))
		if reasonOf(err) != authz.ReasonRelationDenied || decision.Allowed() || !strings.Contains(decision.String(), "document:b") {
			t.Error(decision, err)
		}
	})
}

// Where the rule reads no message, the stream's start is what is asked about.
func TestStreamThatReadsNoMessage(t *testing.T) {
	engine := newTuples("document:a#viewer@user:alice")
	stream := one(t, engine, "Stream", rechecked(check("document:a", "viewer"), time.Minute)).NewStream()
	for way, decide := range map[string]func(context.Context, *authz.Call) (*authz.Decision, error){"start": stream.Authorize, "recheck": stream.Recheck} {
		if decision, err := decide(t.Context(), &authz.Call{Principal: user("alice")}); err != nil || decision.Remembered() {
			t.Error(way, decision, err)
		}
		if decision, err := decide(t.Context(), &authz.Call{Principal: user("bob")}); reasonOf(err) != authz.ReasonRelationDenied || decision.Allowed() {
			t.Error(way, decision, err)
		}
	}
	if engine.requests() != 4 {
		t.Errorf("asked %d times", engine.requests())
	}
}

// A recheck asks about several sets of objects at once, and about no more than a few.
func TestStreamRecheckIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const objects, latency = 100, time.Second
		var slow, denies atomic.Bool
		var at, most, asked atomic.Int64
		engine := authz.EngineFunc(func(ctx context.Context, batch authz.Batch) (authz.Result, error) {
			if slow.Load() {
				most.Store(max(most.Load(), at.Add(1)))
				asked.Add(1)
				time.Sleep(latency)
				at.Add(-1)
			}
			if denies.Load() {
				return authz.Result{Answers: []authz.Answer{{Effect: authz.EffectDenied}}}, nil
			}

			return grantsAll().Check(ctx, batch)
		})
		stream := one(t, engine, "Stream", rechecked(check("document:{text}", "viewer"), time.Hour)).NewStream()
		for i := range objects {
			if _, err := stream.Authorize(t.Context(), names(strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
		}
		slow.Store(true)
		began := time.Now()
		if _, err := stream.Recheck(t.Context(), names("")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); most.Load() != 8 || took != 13*latency {
			t.Errorf("%d at once, in %v", most.Load(), took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*latency/2)
		defer cancel()
		decision, err := stream.Recheck(ctx, names(""))
		if !errors.Is(err, context.DeadlineExceeded) || decision.Allowed() {
			t.Error(decision, err)
		}
		if took := time.Since(began); took > 15*latency {
			t.Errorf("ended after %v", took)
		}
		time.Sleep(time.Minute) // the requests that are under way end
		asked.Store(0)
		denies.Store(true)
		if _, err := stream.Recheck(t.Context(), names("")); reasonOf(err) != authz.ReasonRelationDenied {
			t.Error(err)
		}
		if n := asked.Load(); n > 8 {
			t.Errorf("%d objects asked about, of which the first is denied", n)
		}
	})
}

// A panic in what a recheck calls is raised in the goroutine of its caller, which can
// contain it; one that ends its goroutine leaves objects unasked, which is no grant.
func TestStreamRecheckThatIsCutShort(t *testing.T) {
	for label, c := range map[string]struct {
		do   func()
		want func(value any, err error) bool
	}{
		"a panic": {func() { panic(errOdd) }, func(value any, _ error) bool { return value == errOdd }}, //nolint:errorlint // the very value
		"Goexit":  {runtime.Goexit, func(value any, err error) bool { return value == nil && reasonOf(err) == authz.ReasonMisconfigured }},
	} {
		t.Run(label, func(t *testing.T) {
			stream := one(t, grantsAll(), "Stream", rechecked(check("document:{text}", "viewer"), time.Hour)).NewStream()
			for i := range 20 {
				if _, err := stream.Authorize(t.Context(), names(strconv.Itoa(i))); err != nil {
					t.Fatal(err)
				}
			}
			odd := &oddCaller{caller: user("alice"), do: c.do}
			value, err := func() (value any, err error) {
				defer func() { value = recover() }()
				_, err = stream.Recheck(t.Context(), &authz.Call{Principal: odd})

				return nil, err
			}()
			if !c.want(value, err) {
				t.Errorf("%v, %v", value, err)
			}
		})
	}
}

// oddCaller is a principal that doesn't say whether it is a user.
type oddCaller struct {
	*caller

	do func()
}

func (c *oddCaller) IsUser() bool { c.do(); return true }

// Authorize and Recheck may run at the same time.
func TestStreamIsAskedAndRecheckedAtOnce(t *testing.T) {
	stream := one(t, grantsAll(), "Stream", rechecked(check("document:{text}", "viewer"), time.Second)).NewStream()
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 20 && err == nil; i++ {
			_, err = stream.Recheck(t.Context(), names(""))
		}
		done <- err
	}()
	for i := range 200 {
		if _, err := stream.Authorize(t.Context(), names(strconv.Itoa(i/2))); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A message that memory lets through, or that needs one warm check, costs no heap.
func TestStreamMessageCostsNoHeap(t *testing.T) {
	first := check("document:{text}", "viewer")
	first.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
	for label, rule := range map[string]*authzv1.Rule{"first message": first, "each message": check("document:{text}", "viewer")} {
		t.Run(label, func(t *testing.T) {
			stream := newAuthorizer(t, authz.Config{
				Engine: grantsAll(), Cache: authz.CacheConfig{Size: 100, TTL: time.Hour},
				Resolver: ruled(t, nil, map[string]*authzv1.Rule{"Stream": rule}),
			}).Method("/t.S/Stream").NewStream()
			message, alice, ctx := &docsv1.Kinds{Text: "a"}, user("alice"), t.Context()
			allocs := testing.AllocsPerRun(100, func() {
				call := authz.Call{Principal: alice, Message: message}
				if _, err := stream.Authorize(ctx, &call); err != nil {
					t.Fatal(err)
				}
			})
			if allocs > 0 {
				t.Errorf("%v allocations a message", allocs)
			}
		})
	}
}
