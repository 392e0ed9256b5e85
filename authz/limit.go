package authz

import (
	"context"
	"time"
)

// Limit is how often calls with one [LimitKey] are allowed: Requests in each Per, of
// which at most Burst may come at once. All three are positive.
type Limit struct {
	Requests int
	Per      time.Duration
	Burst    int
}

// LimitKey is what calls count under. Its fields come from a rule and from a verified
// token, never from what a caller may choose freely. A field that the rule's key
// doesn't need is empty.
type LimitKey struct {
	// Method is the full method, as in "/pkg.Service/Method".
	Method string
	// Issuer is the short name of the token's issuer.
	Issuer string
	// Client is the token's client id, and Subject its subject. At most one is set.
	Client, Subject string
}

// Limiter counts calls. It must be safe for concurrent use.
type Limiter interface {
	// Take counts one call under the key. The call may go on if wait is zero and err
	// is nil. Otherwise wait is the time until one may, and the call doesn't count. A
	// limiter that can't answer returns an error: the call is refused with
	// UNAVAILABLE.
	Take(ctx context.Context, key LimitKey, limit Limit) (wait time.Duration, err error)
}
