package authz_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const (
	byClient  = authzv1.RateLimit_KEY_CLIENT
	bySubject = authzv1.RateLimit_KEY_SUBJECT
	byMethod  = authzv1.RateLimit_KEY_METHOD
)

// aMinute is a limit of so many calls a minute.
func aMinute(requests uint32, key authzv1.RateLimit_Key) *authzv1.RateLimit {
	return &authzv1.RateLimit{Requests: requests, Per: durationpb.New(time.Minute), Key: key}
}

func limited(rule *authzv1.Rule, limit *authzv1.RateLimit) *authzv1.Rule {
	rule.RateLimit = limit

	return rule
}

func publicRule() *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Public{Public: &authzv1.Public{Reason: "a test"}}}
}

// guarded compiles rules over Kinds; those of methods named Stream… are of streams.
func guarded(tb testing.TB, config authz.Config, defaults *authzv1.Rule, rules map[string]*authzv1.Rule) *authz.Authorizer {
	tb.Helper()
	config.Resolver = ruled(tb, &authzv1.ServiceRule{Default: defaults}, rules)
	if config.Engine == nil {
		config.Engine = newTuples("document:1#viewer@user:alice", "document:2#viewer@user:alice")
	}

	return newAuthorizer(tb, config)
}

// passes counts the calls that pass, of so many.
func passes(tb testing.TB, m *authz.Method, calls int, call *authz.Call) (passed int) {
	tb.Helper()
	for range calls {
		switch _, err := m.Authorize(tb.Context(), call); reasonOf(err) {
		case "":
			passed++
		case authz.ReasonRateLimited:
		default:
			tb.Fatal(err)
		}
	}

	return passed
}

func TestRateLimitsThatCantBeAreFaults(t *testing.T) {
	changed := func(change func(*authzv1.RateLimit)) *authzv1.RateLimit {
		limit := aMinute(10, byClient)
		change(limit)

		return limit
	}
	per := func(d *durationpb.Duration) *authzv1.RateLimit {
		return changed(func(l *authzv1.RateLimit) { l.Per = d })
	}
	for name, c := range map[string]struct {
		defaults, rule *authzv1.Rule
		want           string // empty: the rule is good
	}{
		"a good one":                    {nil, limited(authenticated(), aMinute(10, byClient)), ""},
		"the most":                      {nil, limited(authenticated(), &authzv1.RateLimit{Requests: 1_000_000, Burst: 1_000_000, Per: durationpb.New(24 * time.Hour), Key: bySubject, Scope: authzv1.RateLimit_SCOPE_PROCESS}), ""},
		"the shortest":                  {nil, limited(authenticated(), per(durationpb.New(time.Millisecond))), ""},
		"no requests":                   {nil, limited(authenticated(), aMinute(0, byClient)), "rule.rate_limit.requests: the number of requests isn't from 1 to 1000000"},
		"too many requests":             {nil, limited(authenticated(), aMinute(1_000_001, byClient)), "rule.rate_limit.requests: "},
		"more than an int":              {nil, limited(authenticated(), aMinute(1<<32-1, byClient)), "rule.rate_limit.requests: "},
		"too large a burst":             {nil, limited(authenticated(), changed(func(l *authzv1.RateLimit) { l.Burst = 1_000_001 })), "rule.rate_limit.burst: the burst is more than 1000000"},
		"no period":                     {nil, limited(authenticated(), per(nil)), "rule.rate_limit.per: the period isn't from a millisecond to a day"},
		"no time at all":                {nil, limited(authenticated(), per(durationpb.New(0))), "rule.rate_limit.per: "},
		"a negative period":             {nil, limited(authenticated(), per(durationpb.New(-time.Second))), "rule.rate_limit.per: "},
		"below a millisecond":           {nil, limited(authenticated(), per(durationpb.New(time.Millisecond-1))), "rule.rate_limit.per: "},
		"above a day":                   {nil, limited(authenticated(), per(durationpb.New(24*time.Hour+1))), "rule.rate_limit.per: "},
		"an invalid duration":           {nil, limited(authenticated(), per(&durationpb.Duration{Seconds: 60, Nanos: -1})), "rule.rate_limit.per: "},
		"a duration beyond all":         {nil, limited(authenticated(), per(&durationpb.Duration{Seconds: 1 << 62})), "rule.rate_limit.per: "},
		"no key":                        {nil, limited(authenticated(), aMinute(10, 0)), "rule.rate_limit.key: the rule doesn't say whose calls count together"},
		"clients of a public method":    {nil, limited(publicRule(), aMinute(10, byClient)), "rule.rate_limit.key: no token is looked at under this policy"},
		"subjects of a public method":   {nil, limited(publicRule(), aMinute(10, bySubject)), "rule.rate_limit.key: no token is looked at under this policy"},
		"a public method":               {nil, limited(publicRule(), aMinute(10, byMethod)), ""},
		"deny":                          {nil, limited(denied(), aMinute(10, byMethod)), "rule.rate_limit: no caller may pass under this policy"},
		"handler":                       {nil, limited(handlerRule(), aMinute(10, bySubject)), ""},
		"nothing in it":                 {nil, limited(authenticated(), &authzv1.RateLimit{}), "rule.rate_limit.requests: "},
		"a bad default":                 {&authzv1.Rule{RateLimit: aMinute(0, byClient)}, authenticated(), "service_rule.default.rate_limit.requests: "},
		"a bad default that's replaced": {&authzv1.Rule{RateLimit: aMinute(0, byClient)}, limited(authenticated(), aMinute(1, byClient)), ""},
		"a default that's replaced in part": {
			&authzv1.Rule{RateLimit: aMinute(1, byClient)}, limited(authenticated(), &authzv1.RateLimit{Requests: 9}), "rule.rate_limit.per: ",
		},
		"a default of clients, public":         {&authzv1.Rule{RateLimit: aMinute(1, byClient)}, publicRule(), ""},
		"a default under deny":                 {&authzv1.Rule{RateLimit: aMinute(1, byClient)}, denied(), ""},
		"a default that denies":                {limited(denied(), aMinute(1, byClient)), authenticated(), ""},
		"a default that denies the method too": {limited(denied(), aMinute(1, byClient)), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			authorizer := guarded(t, authz.Config{}, c.defaults, map[string]*authzv1.Rule{"A": c.rule})
			err := authorizer.ValidateMethods("/t.S/A")
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), "t.S/A: "+c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := authorizer.Authorize(t.Context(), "/t.S/A", user("alice"), nil); c.want != "" && reasonOf(err) != authz.ReasonMisconfigured {
				t.Errorf("a faulty limit doesn't deny: %v", err)
			}
		})
	}
}

func TestEveryFaultOfARateLimitIsToldAtOnce(t *testing.T) {
	authorizer := guarded(t, authz.Config{}, nil, map[string]*authzv1.Rule{"A": limited(authenticated(), &authzv1.RateLimit{Burst: 1 << 31})})
	if err := authorizer.ValidateMethods("/t.S/A"); err == nil || strings.Count(err.Error(), "rule.rate_limit.") != 4 {
		t.Errorf("got %v, want faults of requests, burst, per and key", err)
	}
}

func TestALimiterSizeThatCantBe(t *testing.T) {
	for _, size := range []int{-1, 1<<24 + 1} {
		if _, err := authz.New(authz.Config{LimiterSize: size}); err == nil || !strings.Contains(err.Error(), "Config.LimiterSize") {
			t.Errorf("%d: got %v", size, err)
		}
	}
}

// What a limit counts together, and what apart.
func TestWhoseCallsCountTogether(t *testing.T) {
	with := func(c *caller, client string) *caller {
		c.client = client

		return c
	}
	kind := func(c *caller) *caller {
		c.service = true

		return c
	}
	for name, c := range map[string]struct {
		key           authzv1.RateLimit_Key
		first, second *caller
		together      bool
	}{
		"one client for two users":             {byClient, user("alice"), user("bob"), true},
		"one client for a user and for itself": {byClient, user("alice"), backend("app"), true},
		"two clients of one user":              {byClient, with(user("alice"), "app"), with(user("alice"), "web"), false},
		"clients of two issuers":               {byClient, of("main", "alice"), of("partner", "alice"), false},
		"a client and the subject of its name": {byClient, with(user("alice"), "app"), with(user("app"), ""), false},
		"subjects without a client":            {byClient, with(user("alice"), ""), with(user("bob"), ""), false},
		"one subject without a client":         {byClient, with(user("alice"), ""), with(user("alice"), ""), true},
		"one subject of two clients":           {bySubject, with(user("alice"), "app"), with(user("alice"), "web"), true},
		"two subjects":                         {bySubject, user("alice"), user("bob"), false},
		"subjects of two issuers":              {bySubject, of("main", "alice"), of("partner", "alice"), false},
		"a user and a service of one name":     {bySubject, user("alice"), kind(user("alice")), false},
		"no subject, two clients":              {bySubject, with(user(""), "app"), with(user(""), "web"), false},
		"no subject, and one of that name":     {bySubject, with(user(""), "app"), user("app"), false},
		"neither":                              {bySubject, with(user(""), ""), with(user(""), ""), true},
		"anyone, by method":                    {byMethod, user("alice"), of("partner", "bob"), true},
	} {
		t.Run(name, func(t *testing.T) {
			m := guarded(t, authz.Config{
				Issuers:  authz.Issuers{"main", "partner"},
				Subjects: authz.Subjects{Service: "service:{$issuer}/{$client_id}", User: "user:{$issuer}/{$sub}"},
			}, nil, map[string]*authzv1.Rule{"A": limited(authenticated(), aMinute(3, c.key))}).Method("/t.S/A")
			if got := passes(t, m, 5, &authz.Call{Principal: c.first}); got != 3 {
				t.Errorf("%d calls of 5 passed, want 3", got)
			}
			want := 3
			if c.together {
				want = 0
			}
			if got := passes(t, m, 5, &authz.Call{Principal: c.second}); got != want {
				t.Errorf("then %d calls of the other passed, want %d", got, want)
			}
		})
	}
}

// Each method has limits of its own, also where it inherits them; a rule in code has
// them as one in a .proto does.
func TestEachMethodCountsForItself(t *testing.T) {
	authorizer := guarded(t, authz.Config{}, &authzv1.Rule{RateLimit: aMinute(2, bySubject)}, map[string]*authzv1.Rule{
		"A": authenticated(), "B": authenticated(), "C": limited(authenticated(), aMinute(4, bySubject)),
		"Anyone": publicRule(), "Nobody": denied(),
	})
	alice := &authz.Call{Principal: user("alice")}
	for name, want := range map[string]int{"A": 2, "B": 2, "C": 4, "Anyone": 9} {
		if got := passes(t, authorizer.Method("/t.S/"+name), 9, alice); got != want {
			t.Errorf("%s: %d of 9 calls passed, want %d", name, got, want)
		}
	}
	if authorizer.Method("/t.S/Anyone").Limited() || authorizer.Method("/t.S/Nobody").Limited() || !authorizer.Method("/t.S/A").Limited() {
		t.Error("Limited doesn't tell which methods have a limit")
	}
	inCode := newAuthorizer(t, authz.Config{Rules: []authz.MethodRule{{Selector: "grpc.health.v1.Health/Check", Rule: limited(publicRule(), aMinute(2, byMethod))}, {Selector: "grpc.health.v1.Health/*", Rule: denied()}}})
	if got := passes(t, inCode.Method("/grpc.health.v1.Health/Check"), 9, &authz.Call{}); got != 2 {
		t.Errorf("in code: %d of 9 calls passed, want 2", got)
	}
	if _, err := authz.New(authz.Config{Rules: []authz.MethodRule{{Selector: "grpc.health.v1.Health/*", Rule: limited(authenticated(), aMinute(0, byClient))}}}); err == nil ||
		!strings.Contains(err.Error(), "rule.rate_limit.requests") {
		t.Errorf("in code: got %v", err)
	}
}

// The limit comes after the token and before the engine: a stranger's calls don't
// count, and a call beyond the limit costs the engine nothing.
func TestTheLimitIsBetweenTheTokenAndTheEngine(t *testing.T) {
	engine := newTuples()
	rule := limited(check("document:1", "viewer"), aMinute(2, byMethod))
	rule.AccessToken = &authzv1.AccessToken{Scopes: []string{"documents"}}
	var told []authz.Reason
	m := guarded(t, authz.Config{Engine: engine, Observer: authz.Observer{
		Decided: func(_ context.Context, d *authz.Decision) { told = append(told, d.Reason()) },
	}}, nil, map[string]*authzv1.Rule{"A": rule}).Method("/t.S/A")
	poor := user("eve")
	poor.scopes = nil
	for _, step := range []struct {
		caller authz.Principal
		want   authz.Reason
	}{
		{nil, authz.ReasonTokenMissing},
		{poor, authz.ReasonInsufficientScope},
		{of("elsewhere", "eve"), authz.ReasonSubjectUnmapped},
		{user("alice"), authz.ReasonRelationDenied}, // what the policy denies counts
		{user("alice"), authz.ReasonRelationDenied},
		{user("alice"), authz.ReasonRateLimited},
		{poor, authz.ReasonInsufficientScope},
	} {
		decision, err := m.Authorize(t.Context(), &authz.Call{Principal: step.caller})
		if reasonOf(err) != step.want || decision.Reason() != step.want || decision.Allowed() {
			t.Errorf("got %v, want %s", err, step.want)
		}
		if told[len(told)-1] != step.want {
			t.Errorf("the observer was told %s, want %s", told[len(told)-1], step.want)
		}
	}
	if got := engine.requests(); got != 2 {
		t.Errorf("the engine was asked %d times, want 2", got)
	}
}

// A refused call says how long to wait, and which limit it met.
func TestARefusedCallSaysHowLongToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := &authzv1.RateLimit{Requests: 10, Per: durationpb.New(time.Second), Burst: 3, Key: bySubject}
		m := guarded(t, authz.Config{}, nil, map[string]*authzv1.Rule{"A": limited(authenticated(), limit)}).Method("/t.S/A")
		alice := &authz.Call{Principal: user("alice")}
		if got := passes(t, m, 10, alice); got != 3 {
			t.Fatalf("%d of 10 calls passed at once, want the burst of 3", got)
		}
		for range 50 {
			_, err := m.Authorize(t.Context(), alice)
			refused, _ := err.(*authz.Error) //nolint:errorlint // it is returned as it is
			if refused == nil || refused.RetryAfter != 100*time.Millisecond {
				t.Fatalf("got %v, want a wait of 100 ms", err)
			}
			want := authz.Quota{Method: "/t.S/A", Key: "subject", Limit: authz.Limit{Requests: 10, Per: time.Second, Burst: 3}}
			if refused.Quota == nil || *refused.Quota != want {
				t.Fatalf("got %+v, want %+v", refused.Quota, want)
			}
			// Refused calls don't count: after the wait, exactly one passes.
			time.Sleep(refused.RetryAfter - time.Microsecond)
			if got := passes(t, m, 3, alice); got != 0 {
				t.Fatal("a call passed before its time")
			}
			time.Sleep(time.Microsecond)
			if got := passes(t, m, 3, alice); got != 1 {
				t.Fatalf("%d calls passed after the wait, want 1", got)
			}
		}
		time.Sleep(time.Hour)
		if got := passes(t, m, 10, alice); got != 3 {
			t.Errorf("%d of 10 calls passed after a pause, want the burst of 3", got)
		}
	})
}

// A stream counts once: neither its messages nor its rechecks do.
func TestAStreamCountsOnce(t *testing.T) {
	message := func(id string) *authz.Call {
		return &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{Text: id}}
	}
	recheck := &authzv1.Stream{RecheckInterval: durationpb.New(time.Second)}
	for name, c := range map[string]struct {
		rule *authzv1.Rule
		open bool
	}{
		"each message":               {check("document:{text}", "viewer"), false},
		"each message, opened":       {check("document:{text}", "viewer"), true},
		"live objects":               {&authzv1.Rule{Policy: check("document:{text}", "viewer").GetPolicy(), Stream: recheck}, true},
		"the first message":          {&authzv1.Rule{Policy: check("document:{text}", "viewer").GetPolicy(), Stream: &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}}, true},
		"the start alone":            {&authzv1.Rule{Policy: check("document:1", "viewer").GetPolicy(), Stream: recheck}, false},
		"the start alone, no engine": {authenticated(), false},
	} {
		t.Run(name, func(t *testing.T) {
			m := guarded(t, authz.Config{}, nil, map[string]*authzv1.Rule{"StreamA": limited(c.rule, aMinute(2, bySubject))}).Method("/t.S/StreamA")
			for range 2 {
				s := m.NewStream()
				if c.open {
					if decision, err := s.Open(t.Context(), message("")); err != nil || decision == nil || decision.Allowed() {
						t.Fatalf("got %v, %v", decision, err)
					}
				}
				for range 5 {
					if _, err := s.Authorize(t.Context(), message("1")); err != nil {
						t.Fatal(err)
					}
					if m.RecheckInterval() > 0 {
						if _, err := s.Recheck(t.Context(), message("")); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			s := m.NewStream()
			for range 3 {
				// A refused stream stays refused: its next try isn't the first decision.
				if decision, err := s.Open(t.Context(), message("")); reasonOf(err) != authz.ReasonRateLimited || decision.Reason() != authz.ReasonRateLimited {
					t.Fatalf("the third stream: %v", err)
				}
				if _, err := s.Authorize(t.Context(), message("1")); reasonOf(err) != authz.ReasonRateLimited {
					t.Fatalf("the third stream: %v", err)
				}
			}
		})
	}
}

// The checks that a handler makes itself don't count.
func TestAHandlersChecksDontCount(t *testing.T) {
	m := guarded(t, authz.Config{}, nil, map[string]*authzv1.Rule{"A": limited(handlerRule(), aMinute(1, bySubject))}).Method("/t.S/A")
	call := authz.Call{Principal: user("alice")}
	decision, err := m.Authorize(t.Context(), &call)
	if err != nil {
		t.Fatal(err)
	}
	ctx := authz.NewContext(t.Context(), m.NewSession(call, decision))
	for range 5 {
		if err := authz.CheckFromContext(ctx, "document:1", "viewer"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Authorize(t.Context(), &call); reasonOf(err) != authz.ReasonRateLimited {
		t.Errorf("the second call: %v", err)
	}
}
