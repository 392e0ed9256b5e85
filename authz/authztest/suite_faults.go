package authztest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
)

// faultCases test what must never be a grant.
func faultCases() []suiteCase {
	return []suiteCase{
		{"wildcard as the subject", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#viewer@user:alice")
			f.refuses(t, authz.Query{Object: authz.Object{Type: "document", ID: "1"}, Relation: "view", Subject: authz.Subject{Type: "user", ID: "*"}})
		}},
		{"wildcard as the object", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#viewer@user:alice")
			f.refuses(t, authz.Query{Object: authz.Object{Type: "document", ID: "*"}, Relation: "view", Subject: authz.Subject{Type: "user", ID: "alice"}})
		}},
		{"unknown type", func(t *testing.T, f *fixture) { f.unknown(t, "no_such:1#view@user:alice") }},
		{"unknown relation", func(t *testing.T, f *fixture) { f.unknown(t, "document:1#no_such@user:alice") }},
		{"hostile object ids", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#viewer@user:alice", "document:2#viewer@user:bob")
			for _, id := range hostileIDs("1", "2") {
				f.refuses(t, authz.Query{Object: authz.Object{Type: "document", ID: id}, Relation: "view", Subject: authz.Subject{Type: "user", ID: "alice"}})
			}
		}},
		{"hostile subject ids", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#viewer@user:alice", "document:1#viewer@team:blue#member")
			for _, id := range hostileIDs("alice", "bob") {
				f.refuses(t, authz.Query{Object: authz.Object{Type: "document", ID: "1"}, Relation: "view", Subject: authz.Subject{Type: "user", ID: id}})
			}
			f.refuses(t, authz.Query{Object: authz.Object{Type: "document", ID: "1"}, Relation: "view", Subject: authz.Subject{Type: "team", ID: "blue#member"}})
		}},
		{"cancelled before", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#viewer@user:alice")
			ctx, cancel := context.WithCancel(f.ctx)
			cancel()
			f.ends(t, ctx, f.engine)
		}},
		{"cancelled while waiting", func(t *testing.T, f *fixture) {
			if f.Hanging == nil {
				return
			}
			engine := f.Hanging(t)
			ctx, cancel := context.WithCancel(f.ctx)
			stop := time.AfterFunc(50*time.Millisecond, cancel)
			defer stop.Stop()
			f.ends(t, ctx, engine)
		}},
		{"deadline while waiting", func(t *testing.T, f *fixture) {
			if f.Hanging == nil {
				return
			}
			engine := f.Hanging(t)
			ctx, cancel := context.WithTimeout(f.ctx, 50*time.Millisecond)
			defer cancel()
			f.ends(t, ctx, engine)
		}},
		{"keeps its promise to honour its context", promise},
	}
}

// promptly is within what time a check ends after its context has. It is shorter than
// the adapters' own timeouts.
const promptly = time.Second

// promise requires of an [authz.ContextHonorer] that a check, of one query and of more
// than one request holds, ends promptly with its context.
func promise(t *testing.T, f *fixture) {
	engine, _ := f.New(t)
	if honorer, ok := engine.(authz.ContextHonorer); !ok || !honorer.HonorsContext() {
		return
	}
	if f.Hanging == nil {
		t.Fatal("authztest: Suite.Hanging is required of an authz.ContextHonorer")
	}
	hanging := f.Hanging(t)
	for _, n := range []int{1, 3*f.Limit + 1} {
		queries := make([]authz.Query, n)
		for i := range queries {
			queries[i] = query(fmt.Sprintf("document:%d#view@user:alice", i))
		}
		ctx, cancel := context.WithCancel(f.ctx)
		ended := make(chan time.Time, 1)
		stop := time.AfterFunc(50*time.Millisecond, func() {
			ended <- time.Now()
			cancel()
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = hanging.Check(ctx, authz.Batch{Queries: queries})
		}()
		select {
		case <-done:
			if long := time.Since(<-ended); long > promptly {
				t.Errorf("a check of %d queries ended %v after its context", n, long)
			}
		case <-f.ctx.Done():
			t.Errorf("a check of %d queries didn't end with its context", n)
		}
		stop.Stop()
		cancel()
	}
}

// hostileIDs are ids that might inject an engine's syntax. None of them names the
// same object as the good id.
func hostileIDs(good, other string) []string {
	return []string{
		"", "*", " ", good + " ", " " + good, good + "\n", good + "\x00", good + "\x00" + other, "\x7f", good + "\t",
		good + "#view", good + "#view@user:alice", good + "@user:alice", "document:" + good, good + ":" + other,
		good + "," + other, good + "|" + other, "../" + good, good + "/../" + other, "./" + good, good + "?x=1", good + "%00",
		// A server that decodes again would read the good id.
		fmt.Sprintf("%%%02x%s", good[0], good[1:]),
		good + "\"", good + `","relation":"owner`, good + `\`, "${" + good + "}", "{" + good + "}",
		"\xff\xfe", good + "\u2028", good + "\u200b", "\u202e" + good, strings.Repeat(good, 4096),
	}
}

// refuses requires that a query isn't allowed, and that its error isn't that of an
// outage, which would let a caller open the circuit breaker.
func (f *fixture) refuses(t *testing.T, q authz.Query) {
	t.Helper()
	answer := f.one(t, q)
	if answer.Err == nil {
		if answer.Effect != authz.EffectDenied {
			t.Errorf("%q is %v, want denied or refused", q.String(), answer.Effect)
		}

		return
	}
	if got := kind(t, answer.Err); got != authz.EngineBadRequest && got != authz.EngineBadSubject {
		t.Errorf("%q is refused as %v (%v), want the caller's fault", q.String(), got, answer.Err)
	}
}

// unknown requires the error for a misconfiguration where a query names a type or
// relation that the schema doesn't have.
func (f *fixture) unknown(t *testing.T, text string) {
	t.Helper()
	f.with(t, "document:1#viewer@user:alice")
	answer := f.one(t, query(text))
	if answer.Err == nil {
		if answer.Effect == authz.EffectAllowed || !f.Lacks.Schema {
			t.Errorf("%s is %v, want an error", text, answer.Effect)
		}

		return
	}
	if got := kind(t, answer.Err); got != authz.EngineMisconfigured {
		t.Errorf("%s is %v (%v), want %v", text, got, answer.Err, authz.EngineMisconfigured)
	}
}

// ends requires that a check fails with its context's error soon after the context
// ends.
func (f *fixture) ends(t *testing.T, ctx context.Context, engine authz.Engine) { //nolint:revive // the test comes first here as in every helper
	t.Helper()
	done := make(chan error, 1)
	go func() {
		result, err := engine.Check(ctx, authz.Batch{Queries: []authz.Query{query("document:1#view@user:alice")}})
		for _, answer := range result.Answers {
			if err == nil && answer.Err != nil {
				err = answer.Err
			}
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a check under a context that ended has an answer")
		}
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			var engineErr *authz.EngineError
			if !errors.As(err, &engineErr) || engineErr.Kind != authz.EngineUnavailable {
				t.Errorf("the error is %v, want the context's or unavailable", err)
			}
		}
	case <-f.ctx.Done():
		t.Error("the check didn't end with its context")
	}
}
