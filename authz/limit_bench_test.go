package authz_test

import (
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// BenchmarkRateLimit is a local limit that no call reaches, over the call without it
// (goal 18), for one caller and for ten thousand.
func BenchmarkRateLimit(b *testing.B) {
	never := func(key authzv1.RateLimit_Key) *authzv1.RateLimit {
		return &authzv1.RateLimit{Requests: 1_000_000, Per: durationpb.New(time.Millisecond), Key: key}
	}
	authorizer := guarded(b, authz.Config{}, nil, map[string]*authzv1.Rule{
		"None": authenticated(), "Client": limited(authenticated(), never(byClient)),
		"Subject": limited(authenticated(), never(bySubject)), "Method": limited(authenticated(), never(byMethod)),
	})
	calls := make([]*authz.Call, 10_000)
	for i := range calls {
		calls[i] = &authz.Call{Principal: user("user-" + strconv.Itoa(i))}
	}
	for _, name := range []string{"None", "Client", "Subject", "Method"} {
		m := authorizer.Method("/t.S/" + name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Authorize(b.Context(), calls[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/10,000 callers", func(b *testing.B) {
			for _, call := range calls {
				_, _ = m.Authorize(b.Context(), call)
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Authorize(b.Context(), calls[i]); err != nil {
					b.Fatal(err)
				}
				if i++; i == len(calls) {
					i = 0
				}
			}
		})
	}
}

// BenchmarkRateLimitParallel is the same from several goroutines, of one caller each.
func BenchmarkRateLimitParallel(b *testing.B) {
	limit := &authzv1.RateLimit{Requests: 1_000_000, Per: durationpb.New(time.Millisecond), Key: bySubject}
	m := guarded(b, authz.Config{}, nil, map[string]*authzv1.Rule{"A": limited(authenticated(), limit)}).Method("/t.S/A")
	b.RunParallel(func(pb *testing.PB) {
		call := &authz.Call{Principal: user(strconv.Itoa(int(time.Now().UnixNano())))}
		for pb.Next() {
			if _, err := m.Authorize(b.Context(), call); err != nil {
				b.Error(err)
			}
		}
	})
}
