package authz

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const (
	// maxLimitCount bounds requests and burst of a rate limit. More in a millisecond
	// is no limit.
	maxLimitCount = 1_000_000
	// minLimitPer and maxLimitPer bound the period. A longer one would be counted in
	// memory that rarely lives so long.
	minLimitPer = time.Millisecond
	maxLimitPer = 24 * time.Hour
)

// rateLimit is a compiled RateLimit.
type rateLimit struct {
	quota   *Quota
	by      authzv1.RateLimit_Key
	process bool // counted by this process, even if there is a Config.Limiter
	local   *localLimiter
	shared  *sharedLimiter // nil if local counts
}

// compileLimit compiles the rate limit of a rule, after its policy.
func (m *Method) compileLimit(whole *merged, own *authzv1.Rule, at *site) {
	rule, path := whole.rule.GetRateLimit(), whole.at("rate_limit")
	if rule == nil {
		return
	}
	if m.policy == policyDeny {
		// A default's limit is for the methods that may be called.
		if own.GetRateLimit() != nil && own.GetDeny() != nil {
			at.fail(path, -1, "no caller may pass under this policy, so there is nothing to count", "leave rate_limit out")
		}

		return
	}
	limit := Limit{Requests: int(rule.GetRequests()), Burst: int(rule.GetBurst())}
	if limit.Requests < 1 || limit.Requests > maxLimitCount {
		at.fail(path+".requests", -1, fmt.Sprintf("the number of requests isn't from 1 to %d", maxLimitCount), "write how many calls are allowed in each period")
	}
	if limit.Burst == 0 {
		limit.Burst = limit.Requests
	}
	if limit.Burst > maxLimitCount {
		at.fail(path+".burst", -1, fmt.Sprintf("the burst is more than %d", maxLimitCount), "write how many calls may come at once, or leave it out")
	}
	limit.Per = at.limitPer(rule.GetPer(), path+".per")
	key := ""
	switch rule.GetKey() {
	case authzv1.RateLimit_KEY_CLIENT:
		key = "client"
	case authzv1.RateLimit_KEY_SUBJECT:
		key = "subject"
	case authzv1.RateLimit_KEY_METHOD:
		key = "method"
	case authzv1.RateLimit_KEY_UNSPECIFIED:
		fallthrough
	default:
		at.fail(path+".key", -1, "the rule doesn't say whose calls count together", "write KEY_CLIENT, KEY_SUBJECT or KEY_METHOD")
	}
	if m.policy == policyPublic && (rule.GetKey() == authzv1.RateLimit_KEY_CLIENT || rule.GetKey() == authzv1.RateLimit_KEY_SUBJECT) {
		// Like access_token, a default's limit of callers doesn't apply to a method
		// that has none.
		if own.GetRateLimit() != nil {
			at.fail(path+".key", -1, "no token is looked at under this policy, so callers can't be told apart", "write KEY_METHOD, or leave rate_limit out")
		}

		return
	}
	m.limit = &rateLimit{
		quota: &Quota{Method: m.name, Key: key, Limit: limit}, by: rule.GetKey(), process: rule.GetScope() == authzv1.RateLimit_SCOPE_PROCESS,
	}
}

// limitPer returns the period of a rate limit.
func (s *site) limitPer(d *durationpb.Duration, path string) time.Duration {
	if per := d.AsDuration(); d != nil && d.CheckValid() == nil && per >= minLimitPer && per <= maxLimitPer {
		return per
	}
	s.fail(path, -1, "the period isn't from a millisecond to a day", "write it as {seconds: 60}")

	return 0
}

// placeLimits gives each rate limit what counts for it: the configured limiter, or a
// share of what this process keeps.
func (a *Authorizer) placeLimits(config *Config) {
	var local []*rateLimit
	var shared *sharedLimiter
	if config.Limiter != nil {
		shared = newSharedLimiter(config)
	}
	keyed := 0
	for _, m := range a.methods {
		switch {
		case m.limit == nil || len(m.faults) > 0:
		case shared != nil && !m.limit.process:
			m.limit.shared = shared
		default:
			local = append(local, m.limit)
			if m.limit.by != authzv1.RateLimit_KEY_METHOD {
				keyed++
			}
		}
	}
	size := config.LimiterSize
	if size == 0 {
		size = defaultLimiterSize
	}
	for _, limit := range local {
		room := 0
		if limit.by != authzv1.RateLimit_KEY_METHOD {
			room = max(size/keyed, 1)
		}
		limit.local = newLocalLimiter(limit.quota.Limit, room, limitClock(config.Now))
	}
}

// limitClock returns the clock of rate limits: monotonic time, which doesn't jump and
// is faster to read, unless a test has its own.
func limitClock(now func() time.Time) func() time.Time {
	if now != nil {
		return now
	}
	base := time.Now()

	return func() time.Time { return base.Add(time.Since(base)) }
}
