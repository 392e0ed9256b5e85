package authz_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// chaos is an engine of every kind, whose requests take any course. What it answers is
// right: it says for what and when.
type chaos struct {
	t        *testing.T
	honors   bool
	combines int
	trouble  int // in a hundred requests
	// healthy is set if the only trouble is that answers take long.
	healthy bool

	mu     sync.Mutex
	random *rand.Rand
	seq    atomic.Int64
	inside atomic.Int64
}

func (c *chaos) HonorsContext() bool                    { return c.honors }
func (c *chaos) CombinesQueries() int                   { return c.combines }
func (*chaos) SupportsConsistency(mode authz.Mode) bool { return true }

func (c *chaos) intn(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.random.IntN(n)
}

// truth is the right answer to a query.
func truth(q authz.Query, revision authz.Revision) bool {
	hash := fnv.New32a()
	fmt.Fprint(hash, q.String(), revision)

	return hash.Sum32()>>8%3 != 0
}

func (c *chaos) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return c.answer(ctx, authz.QueryRelation, batch)
}

func (c *chaos) CheckPermissions(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return c.answer(ctx, authz.QueryPermission, batch)
}

func (c *chaos) EvaluateAttributes(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return c.answer(ctx, authz.QueryAttributes, batch)
}

// chaosCaller is whose call a context is of.
type chaosCaller struct{}

func (c *chaos) answer(ctx context.Context, kind authz.QueryKind, batch authz.Batch) (authz.Result, error) {
	c.inside.Add(1)
	defer c.inside.Add(-1)
	seq := c.seq.Add(1)
	answers := make([]authz.Answer, len(batch.Queries))
	whose := map[string]bool{}
	for i, q := range batch.Queries {
		if q.Kind != kind {
			c.t.Errorf("a query of kind %v among those of %v", q.Kind, kind)
		}
		whose[q.Subject.ID] = true
		answers[i] = authz.Answer{Effect: authz.EffectDenied, Context: map[string]any{
			"query": q.String(), "seq": seq, "revision": batch.Consistency.Revision, "mode": batch.Consistency.Mode,
		}}
		if truth(q, batch.Consistency.Revision) {
			answers[i].Effect = authz.EffectAllowed
		}
	}
	switch of, ok := ctx.Value(chaosCaller{}).(string); {
	case ok && (len(whose) != 1 || !whose[of]):
		c.t.Errorf("%v are asked for with the context of %s", whose, of)
	case !ok && len(whose) == 1 && kind != authz.QueryRelation:
		c.t.Errorf("%v are asked for without a context", whose)
	}
	done := authz.Result{Answers: answers}
	if c.intn(100) >= c.trouble {
		if c.intn(2) == 0 {
			return done, c.wait(ctx, time.Duration(c.intn(2000))*time.Microsecond)
		}

		return done, nil
	}
	course := c.intn(14)
	if c.healthy {
		course = 14 + c.intn(3)
	}
	switch course {
	case 14:
		return done, c.wait(ctx, time.Duration(c.intn(300))*time.Millisecond)
	case 15, 16:
		for i := range answers {
			if err := c.wait(ctx, time.Duration(c.intn(100))*time.Millisecond); err != nil {
				answers[i].Err = err
			}
			if course == 15 && i == 1 {
				break
			}
		}

		return done, nil
	case 0, 1:
		return done, c.wait(ctx, 60*time.Millisecond)
	case 2:
		return done, c.wait(ctx, 2*time.Second)
	case 3:
		return authz.Result{}, c.wait(ctx, time.Hour)
	case 4:
		<-ctx.Done()

		return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable, Err: errors.New("ended")}
	case 5:
		return authz.Result{}, &authz.EngineError{Kind: authz.EngineErrorKind(c.intn(6))}
	case 6:
		panic("chaos")
	case 7:
		if c.intn(4) == 0 {
			runtime.Goexit()
		}

		return authz.Result{Answers: answers[:len(answers)-1]}, nil
	case 8, 9:
		err := c.wait(ctx, time.Duration(c.intn(50))*time.Millisecond)
		for i := range answers {
			if c.intn(2) == 0 || err != nil {
				answers[i].Err = &authz.EngineError{Kind: authz.EngineUnavailable, Err: errors.New("part")}
			}
		}

		return done, nil
	case 10:
		var none *sick

		return authz.Result{}, none
	case 11:
		if !c.honors {
			time.Sleep(2 * chaosTimeout)
		}

		return done, nil
	case 12:
		err := c.wait(ctx, time.Hour)
		panic(err)
	default:
		return done, c.wait(ctx, 5*time.Millisecond)
	}
}

// errLeft is what a request ends with whose caller has left it.
var errLeft = errors.New("the request was left")

// wait takes so long, or until the context ends. The error is in words of its own, as
// of a client's.
func (c *chaos) wait(ctx context.Context, long time.Duration) error {
	began := time.Now()
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && time.Since(began) > chaosTimeout/2 {
			return ctx.Err()
		}

		return &authz.EngineError{Kind: authz.EngineUnavailable, Err: errLeft}
	}
}

// chaosRule is a condition: of parts, or of one query.
type chaosRule struct {
	all   bool
	parts []*chaosRule
	kind  authz.QueryKind
	name  string
	fixed bool
	now   bool
}

func newChaosRule(random *rand.Rand, depth int) *chaosRule {
	if depth == 0 || random.IntN(4) == 0 {
		return &chaosRule{
			kind: authz.QueryKind(random.IntN(3)), name: fmt.Sprint("n", random.IntN(3)), fixed: random.IntN(4) == 0, now: random.IntN(8) == 0,
		}
	}
	rule := &chaosRule{all: random.IntN(2) == 0}
	for range 2 + random.IntN(2) {
		rule.parts = append(rule.parts, newChaosRule(random, depth-1))
	}

	return rule
}

func (r *chaosRule) text() string {
	if r.parts != nil {
		var parts strings.Builder
		for _, part := range r.parts {
			parts.WriteString(" conditions: {" + part.text() + "}")
		}
		if r.all {
			return "all_of: {" + parts.String() + "}"
		}

		return "any_of: {" + parts.String() + "}"
	}
	object, more := "d:{text}", ""
	if r.fixed {
		object = "d:fixed"
	}
	if r.now {
		more = ` context: {name: "now" value: "{$now}"}`
	}
	switch r.kind {
	case authz.QueryPermission:
		return fmt.Sprintf(`permission: {name: %q on: %q%s}`, r.name, object, more)
	case authz.QueryAttributes:
		return fmt.Sprintf(`attributes: {action: %q resource: %q%s}`, r.name, object, more)
	default:
		return fmt.Sprintf(`check: {object: %q relation: %q%s}`, object, r.name, more)
	}
}

func (r *chaosRule) holds(subject, id string, revision authz.Revision) bool {
	if r.parts == nil {
		q := authz.Query{Kind: r.kind, Object: authz.Object{Type: "d", ID: id}, Relation: r.name, Subject: authz.Subject{Type: "user", ID: subject}}
		if r.fixed {
			q.Object.ID = "fixed"
		}

		return truth(q, revision)
	}
	for _, part := range r.parts {
		if part.holds(subject, id, revision) != r.all {
			return !r.all
		}
	}

	return r.all
}

const (
	chaosTimeout = time.Second
	chaosSeeds   = 60
)

// chaosRun has callers call at once under random rules, and holds each decision against
// the truth.
func chaosRun(t *testing.T, seed uint64, calls int, healthy, live bool) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	engine := &chaos{t: t, honors: random.IntN(2) == 0, combines: random.IntN(3) * 8, trouble: []int{3, 20, 90}[random.IntN(3)], healthy: healthy, random: random}
	rules, modes, texts := map[string]*chaosRule{}, map[string]int{}, map[string]*authzv1.Rule{}
	for i := range 6 {
		name := fmt.Sprint("M", i)
		if i < 2 {
			name = "Stream" + name
		}
		rules[name], modes[name] = newChaosRule(random, 2), max(0, random.IntN(5)-2)
		text := rules[name].text()
		switch modes[name] {
		case 1:
			text += ` consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{$metadata.x-rev}"}`
		case 2:
			text += ` consistency: {mode: MODE_FULLY_CONSISTENT}`
		}
		texts[name] = written(t, text)
	}
	config := authz.Config{Engine: engine, Timeout: chaosTimeout, Resolver: ruled(t, nil, texts)}
	config.Breaker.Disabled = random.IntN(2) == 0
	config.Breaker.OpenFor = 50 * time.Millisecond
	if random.IntN(2) == 0 {
		config.Cache = authz.CacheConfig{Size: 64, TTL: 100 * time.Millisecond}
	}
	if random.IntN(2) == 0 {
		config.Observer.Decided = func(context.Context, *authz.Decision) {}
	}
	authorizer := newAuthorizer(t, config)
	names := make([]string, 0, len(rules))
	for name := range rules {
		if err := authorizer.Method("/t.S/" + name).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		if i < 2 {
			names = append(names, fmt.Sprint("StreamM", i))
		} else {
			names = append(names, fmt.Sprint("M", i))
		}
	}
	var group sync.WaitGroup
	var granted, denied, failed, ended atomic.Int64
	users, objects := []int{1, 3, 8}[random.IntN(3)], []int{2, 60}[random.IntN(2)]
	window := []int{2_000, 20_000, 300_000}[random.IntN(3)]
	for range calls {
		name, who, messages := names[engine.intn(6)], fmt.Sprint("u", engine.intn(users)), 1
		fresh, explain, rev := engine.intn(8) == 0, engine.intn(2) == 0, fmt.Sprint("rev", engine.intn(2))
		start, life := time.Duration(engine.intn(window))*time.Microsecond, time.Duration(-1)
		if engine.intn(2) == 0 {
			life = time.Duration(engine.intn(50)*engine.intn(50)) * time.Millisecond
		}
		cancels := engine.intn(2) == 0
		if strings.HasPrefix(name, "Stream") {
			messages = 3
		}
		ids := []string{fmt.Sprint(engine.intn(objects)), fmt.Sprint(engine.intn(objects)), fmt.Sprint(engine.intn(objects))}
		group.Go(func() {
			time.Sleep(start)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var end time.Time
			switch {
			case life < 0:
			case cancels:
				end = time.Now().Add(life)
				defer time.AfterFunc(life, cancel).Stop()
			default:
				end = time.Now().Add(life)
				var stop context.CancelFunc
				ctx, stop = context.WithDeadline(ctx, end)
				defer stop()
			}
			method := authorizer.Method("/t.S/" + name)
			stream := method.NewStream()
			for i := range messages {
				call := &authz.Call{
					Principal: user(who), Message: &docsv1.Kinds{Text: ids[i]}, Fresh: fresh, Explain: explain, Metadata: func(string) string { return rev },
					EngineContext: func(ctx context.Context) context.Context { return context.WithValue(ctx, chaosCaller{}, who) },
				}
				began, seq := time.Now(), engine.seq.Load()
				var decision *authz.Decision
				var err error
				if messages > 1 {
					decision, err = stream.Authorize(ctx, call)
				} else {
					decision, err = method.Authorize(ctx, call)
				}
				took, until := time.Since(began), chaosTimeout
				if !end.IsZero() {
					until = min(until, max(0, end.Sub(began)))
				}
				if !live && took > until {
					t.Errorf("seed %d: %s took %v of %v", seed, name, took, until)
				}
				revision := authz.Revision("")
				if modes[name] == 1 {
					revision = authz.Revision(rev)
				}
				holds := rules[name].holds(who, ids[i], revision)
				switch reason := reasonOf(err); {
				case err == nil:
					granted.Add(1)
					if !holds {
						t.Errorf("seed %d: %s granted %s %s: %v", seed, name, who, ids[i], decision)
					}
				case reason == authz.ReasonRelationDenied:
					denied.Add(1)
					if holds {
						t.Errorf("seed %d: %s denied %s %s: %v", seed, name, who, ids[i], decision)
					}
				default:
					if (errors.Is(err, context.Canceled) || errors.Is(err, errLeft)) && ctx.Err() == nil {
						t.Errorf("seed %d: a call that goes on got %v", seed, err)
					}
					if ctx.Err() != nil {
						ended.Add(1)
					} else {
						if healthy {
							t.Logf("seed %d: %s: %v %v", seed, name, err, decision)
						}
						failed.Add(1)
					}
				}
				if decision == nil {
					continue
				}
				for _, checked := range decision.Checks() {
					answer := checked.Answer
					if answer.Err != nil {
						if (errors.Is(answer.Err, context.Canceled) || errors.Is(answer.Err, errLeft)) && ctx.Err() == nil {
							t.Errorf("seed %d: a call that goes on was told %v", seed, answer.Err)
						}

						continue
					}
					if checked.Query.Subject.ID != who {
						t.Errorf("seed %d: a check of %s for %s", seed, checked.Query, who)
					}
					unshared := fresh || modes[name] == 2
					if checked.Cached {
						if unshared {
							t.Errorf("seed %d: cached", seed)
						}

						continue
					}
					if answer.Context["query"] != checked.Query.String() || answer.Context["revision"] != revision {
						t.Errorf("seed %d: %v answers %s at %q", seed, answer.Context, checked.Query, revision)
					}
					if at, _ := answer.Context["seq"].(int64); unshared && at <= seq {
						t.Errorf("seed %d: a fresh call has an answer of before", seed)
					}
				}
			}
		})
	}
	group.Wait()
	if live {
		for deadline := time.Now().Add(20 * time.Second); authorizer.Idle() != nil && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	} else {
		time.Sleep(10 * time.Second)
		synctest.Wait()
	}
	if err := authorizer.Idle(); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	if n := engine.inside.Load(); n != 0 && !live {
		t.Errorf("seed %d: %d requests are in the engine", seed, n)
	}
	if healthy && failed.Load() != 0 {
		t.Errorf("seed %d: %d calls failed, with an engine that answers", seed, failed.Load())
	}
	t.Logf("seed %d: %d granted, %d denied, %d failed, %d ended", seed, granted.Load(), denied.Load(), failed.Load(), ended.Load())
}

// Whatever course requests take, a decision is made of right answers to its own
// questions, in time, and leaves nothing behind.
func TestChaos(t *testing.T) {
	for seed := range uint64(chaosSeeds) {
		synctest.Test(t, func(t *testing.T) { chaosRun(t, seed, 150, seed%3 == 0, false) })
		if t.Failed() {
			return
		}
	}
}

// The same in real time, where goroutines meet in other places.
func TestChaosInRealTime(t *testing.T) {
	for seed := range uint64(2) {
		chaosRun(t, 1000+seed, 150, seed%3 == 0, true)
	}
}
