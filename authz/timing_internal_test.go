package authz

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// late is an engine of all kinds of queries, each with a time of its own.
type late struct {
	everyKind

	delays *[queryKinds]time.Duration
}

func (l late) wait(kind QueryKind) { time.Sleep(l.delays[kind]) }

func (l late) Check(ctx context.Context, batch Batch) (Result, error) {
	l.wait(QueryRelation)

	return l.everyKind.Check(ctx, batch)
}

func (l late) CheckPermissions(ctx context.Context, batch Batch) (Result, error) {
	l.wait(QueryPermission)

	return l.everyKind.CheckPermissions(ctx, batch)
}

func (l late) EvaluateAttributes(ctx context.Context, batch Batch) (Result, error) {
	l.wait(QueryAttributes)

	return l.everyKind.EvaluateAttributes(ctx, batch)
}

// What a caller is told doesn't depend on which engine answers first, nor on what the
// cache holds.
func TestTheOrderOfAnswersChangesNoDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 1))
		var w *world
		var delays [queryKinds]time.Duration
		config := Config{
			Engine: late{func(_ QueryKind, batch Batch) (Result, error) {
				result := Result{Answers: make([]Answer, len(batch.Queries))}
				for i, query := range batch.Queries {
					result.Answers[i] = w.answers[query.Object.ID]
				}

				return result, nil
			}, &delays},
			Expressions: words{}, Subjects: Subjects{User: "user:{$sub}"}, Issuers: Issuers{"i"}, Breaker: BreakerConfig{Disabled: true}, MaxObjects: 10_000,
		}
		bare, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		config.Cache = CacheConfig{Size: 1000, TTL: time.Hour, DeniedTTL: time.Hour}
		cached, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		md := kindsMethod(t)
		for serial := range 5000 {
			w = &world{random: random, serial: serial, answers: map[string]Answer{}, scopes: map[string]bool{"a": true, "role a": true, "group a": true}}
			rule := &authzv1.Rule{Policy: &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: w.conditions(1)}}}
			if serial%2 == 0 {
				rule.Policy = &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: w.conditions(1)}}
			}
			want := ""
			for n, authorizer := range []*Authorizer{bare, bare, bare, bare, cached, cached, cached} {
				synctest.Wait() // until each request has read its time
				for kind := range delays {
					delays[kind] = time.Duration(random.IntN(50)) * time.Millisecond
				}
				method := authorizer.compileMethod(md, &site{}, rule, nil)
				if err := method.Err(); err != nil {
					t.Fatal(err)
				}
				_, err := method.Authorize(t.Context(), &Call{Principal: propertyCaller{w.scopes}, Message: &docsv1.Kinds{OptionalText: proto.String("same")}})
				got := "granted"
				var refused *Error
				if errors.As(err, &refused) {
					got = fmt.Sprint(refused.Reason, refused.Field, refused.RequiredScopes, refused.RetryAfter)
				} else if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					want = got
				} else if got != want {
					t.Fatalf("case %d, time %d: %s, and %s before\n%s", serial, n, got, want, method.Rule())
				}
				if random.IntN(2) == 0 {
					time.Sleep(time.Second) // until no request is under way
				}
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
	})
}
