package authz_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Row 61: one caller that asks about a slow object again and again, and leaves before
// there is an answer, doesn't keep the breaker open for others once the engine is back.
func TestACallerWhoLeavesDoesNotKeepTheBreakerOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down, opened atomic.Bool
		engine := modes{inParts(func(ctx context.Context, id string) error {
			switch {
			case down.Load():
				return errOdd
			case id == "slow":
				return waits(ctx, 2*time.Second)
			default:
				return waits(ctx, 2*time.Millisecond)
			}
		})}
		authorizer := newAuthorizer(t, authz.Config{
			Engine:   engine,
			Observer: authz.Observer{BreakerChanged: func(changed authz.BreakerChanged) { opened.Store(changed.Open) }},
			Resolver: ruled(t, nil, map[string]*authzv1.Rule{
				"M": written(t, `check: {object: "d:{text}" relation: "r"} consistency: {mode: MODE_FULLY_CONSISTENT}`),
			}),
		})
		ask := func(ctx context.Context, who, id string) error {
			_, err := authorizer.Authorize(ctx, "/t.S/M", user(who), &docsv1.Kinds{Text: id})

			return err
		}
		down.Store(true)
		for i := range 20 {
			_ = ask(t.Context(), fmt.Sprint("u", i), fmt.Sprint(i))
		}
		if !opened.Load() {
			t.Fatal("the breaker isn't open")
		}
		down.Store(false)
		var over atomic.Bool
		for range 10 {
			go func() {
				for !over.Load() {
					ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
					_ = ask(ctx, "mallory", "slow")
					cancel()
					time.Sleep(time.Millisecond)
				}
			}()
		}
		began := time.Now()
		time.Sleep(33 * time.Millisecond)
		for ask(t.Context(), "alice", "1") != nil && time.Since(began) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("row 61: another caller passes %v after the engine is back", took)
		}
		over.Store(true)
		time.Sleep(5 * time.Second)
	})
}

// modes is an engine that can give every consistency.
type modes struct{ authz.EngineFunc }

func (modes) SupportsConsistency(authz.Mode) bool { return true }
