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
// doesn't need is empty. Two keys that differ in any field are counted apart.
type LimitKey struct {
	// Method is the full method, as in "/pkg.Service/Method".
	Method string
	// Issuer is the short name of the token's issuer.
	Issuer string
	// Client is the token's client id, and Subject its subject. At most one is set. A
	// token without the one that the rule's key names counts under the other.
	Client, Subject string
	// Service is set if Subject is a service: a service and a user with one subject
	// are two callers.
	Service bool
}

// Limiter counts calls. It must be safe for concurrent use. Package
// authz/redislimit of module github.com/usher-auth/usher/authz/redislimit implements
// it for servers that share their limits.
//
// Take is called in a goroutine of its own, with a context that ends with the call
// or after [Config.Timeout]. A panic in it refuses the call with MISCONFIGURED.
type Limiter interface {
	// Take counts one call under the key. The call may go on if wait is zero and err
	// is nil. Otherwise wait is the time until one may, and the call doesn't count. A
	// limiter that can't answer returns an error: the call is refused with
	// UNAVAILABLE, and wait is the time until it should be asked again, zero if that
	// isn't known. The error's text goes to logs, so it must hold no secret.
	Take(ctx context.Context, key LimitKey, limit Limit) (wait time.Duration, err error)
}

// Quota is the limit that a refused call exceeded.
type Quota struct {
	// Method is the full method, as in "/pkg.Service/Method".
	Method string
	// Key is whose calls count together: "client", "subject" or "method".
	Key string
	// Limit is how often calls are allowed.
	Limit Limit
}
