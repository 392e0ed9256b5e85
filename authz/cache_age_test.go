package authz_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
)

// slowly answers each request with the verdict of its turn, after the time of its
// turn.
type slowly struct {
	turns []turn
	asked int
}

type turn struct {
	allowed bool
	after   time.Duration
}

func (e *slowly) Check(_ context.Context, _ authz.Batch) (authz.Result, error) {
	now := e.turns[e.asked]
	e.asked++
	time.Sleep(now.after)
	answer := authz.Answer{Effect: authz.EffectDenied}
	if now.allowed {
		answer.Effect = authz.EffectAllowed
	}

	return authz.Result{Answers: []authz.Answer{answer}}, nil
}

// What is cached lives from when it was asked, not from when it arrived, and an
// answer that was asked for earlier never replaces a later one's.
func TestCachedAnswersAreAsOldAsTheirQuestions(t *testing.T) {
	const ttl, deniedTTL = 10 * time.Second, 5 * time.Second
	for name, tc := range map[string]struct {
		turns []turn
		// asks are when calls are made, fresh ones that share nothing.
		asks []time.Duration
		// then is when an ordinary call is made, which must get want, from the cache
		// unless it is the next turn's.
		then   time.Duration
		want   bool
		cached bool
	}{
		"a grant, at its end":                 {[]turn{{true, 2 * time.Second}}, []time.Duration{0}, 9999 * time.Millisecond, true, true},
		"a grant, past its end":               {[]turn{{true, 2 * time.Second}, {false, 0}}, []time.Duration{0}, 10001 * time.Millisecond, false, false},
		"a denial, at its end":                {[]turn{{false, 2 * time.Second}}, []time.Duration{0}, 4999 * time.Millisecond, false, true},
		"a denial, past its end":              {[]turn{{false, 2 * time.Second}, {true, 0}}, []time.Duration{0}, 5 * time.Second, true, false},
		"an older grant after a denial":       {[]turn{{true, 2 * time.Second}, {false, 0}}, []time.Duration{0, time.Second}, 3 * time.Second, false, true},
		"an older denial after a grant":       {[]turn{{false, 2 * time.Second}, {true, 0}}, []time.Duration{0, time.Second}, 3 * time.Second, true, true},
		"an older grant after a grant":        {[]turn{{true, 2 * time.Second}, {true, 0}}, []time.Duration{0, time.Second}, 10500 * time.Millisecond, true, true},
		"a newer denial after a grant":        {[]turn{{true, 0}, {false, 0}}, []time.Duration{0, time.Second}, 2 * time.Second, false, true},
		"a newer grant after a denial":        {[]turn{{false, 0}, {true, 0}}, []time.Duration{0, time.Second}, 2 * time.Second, true, true},
		"a denial at the same time":           {[]turn{{true, 0}, {false, 0}}, []time.Duration{0, 0}, 0, false, true},
		"an older grant after denial's end":   {[]turn{{true, 2900 * time.Millisecond}, {false, 0}, {false, 0}}, []time.Duration{0, time.Second}, 6500 * time.Millisecond, false, false},
		"an answer older than it may live":    {[]turn{{false, 6 * time.Second}, {true, 0}}, []time.Duration{0}, 6 * time.Second, true, false},
		"two that wait, the newer comes last": {[]turn{{true, time.Second}, {false, 2 * time.Second}}, []time.Duration{0, 500 * time.Millisecond}, 3 * time.Second, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := &slowly{turns: tc.turns}
				authorizer := newAuthorizer(t, authz.Config{
					Engine: engine, Timeout: time.Minute, Cache: authz.CacheConfig{Size: 10, TTL: ttl, DeniedTTL: deniedTTL},
				})
				method, begun := authorizer.Method(service+"GetDocument"), time.Now()
				call := func(fresh bool) bool {
					_, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: get("1"), Fresh: fresh})
					if reason := reasonOf(err); reason != "" && reason != authz.ReasonRelationDenied {
						t.Error(err)
					}

					return err == nil
				}
				for _, at := range tc.asks {
					time.Sleep(time.Until(begun.Add(at)))
					go call(true)
					synctest.Wait()
				}
				time.Sleep(time.Until(begun.Add(tc.then)))
				synctest.Wait()
				before := engine.asked
				if got := call(false); got != tc.want || (engine.asked == before) != tc.cached {
					t.Errorf("allowed %v, from the cache %v, want %v, %v", got, engine.asked == before, tc.want, tc.cached)
				}
			})
		})
	}
}
