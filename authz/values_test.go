package authz_test

import (
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A truncated time is part of the cached query: equal until the next unit begins.
func TestTruncatedTimeIsCached(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string][]int{ // requests after calls at 0 s, 10 s, 54.9 s, 55 s, 56 s and a day
		"{$now}":          {1, 2, 3, 4, 5, 6},
		"{$now|second}":   {1, 2, 3, 4, 5, 6},
		"{$now|minute}":   {1, 1, 1, 2, 2, 3},
		"{$now|hour}":     {1, 1, 1, 1, 1, 2},
		"{$now|day}":      {1, 1, 1, 1, 1, 2},
		"x {$now|minute}": {1, 1, 1, 2, 2, 3},
	} {
		rule := check("document:{text}", "viewer")
		rule.GetCheck().Context = []*authzv1.ContextValue{{Name: "now", Value: value}}
		engine := newTuples("document:a#viewer@user:alice")
		now := start
		authorizer := newAuthorizer(t, authz.Config{
			Engine: engine, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": rule}), Now: func() time.Time { return now },
			Cache: authz.CacheConfig{Size: 10, TTL: time.Hour},
		})
		for i, after := range []time.Duration{0, 10 * time.Second, 54*time.Second + 900*time.Millisecond, 55 * time.Second, 56 * time.Second, 24 * time.Hour} {
			now = start.Add(after)
			if _, err := authorizer.Authorize(t.Context(), "/t.S/M", user("alice"), &docsv1.Kinds{Text: "a"}); err != nil {
				t.Fatal(err)
			}
			if engine.requests() != want[i] {
				t.Errorf("%s after %v: %d requests, want %d", value, after, engine.requests(), want[i])
			}
		}
	}
}
