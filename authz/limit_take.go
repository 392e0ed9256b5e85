package authz

import (
	"context"
	"errors"
	"time"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

var errTooOften = errors.New("the rate limit is reached")

// opening tells the first decision of a stream, which counts, from the later ones. A
// nil opening is that of a call that isn't part of a stream.
type opening struct{ counted bool }

// Limited reports whether the rule has a rate limit that applies to the method.
func (m *Method) Limited() bool { return m.limit != nil }

// take counts the call. It returns an *Error if the call is refused, or the context's
// own error.
func (m *Method) take(ctx context.Context, call *Call, principal Principal, first *opening) error {
	r := m.limit
	if r == nil || first != nil && first.counted {
		return nil
	}
	wait, err := r.count(ctx, call, principal)
	switch {
	case err != nil:
		return err
	case wait > 0:
		return &Error{Reason: ReasonRateLimited, RetryAfter: wait, Quota: r.quota, Err: errTooOften}
	}
	if first != nil {
		first.counted = true
	}

	return nil
}

// limited ends a call that take refused.
func (m *Method) limited(ctx context.Context, err error) (*Decision, error) {
	var refused *Error
	if errors.As(err, &refused) {
		return m.refuse(ctx, refused)
	}

	return m.abandoned(ctx, err)
}

// count asks what counts for the rule.
func (r *rateLimit) count(ctx context.Context, call *Call, principal Principal) (time.Duration, error) {
	switch {
	case r.shared != nil:
		return r.shared.take(ctx, call, r.key(principal), r.quota.Limit)
	case r.local == nil:
		return 0, refusal(ReasonMisconfigured, "nothing counts for the rate limit")
	case r.local.common():
		return r.local.takeCommon(), nil
	default:
		return r.local.take(r.key(principal)), nil
	}
}

// key returns what a principal's calls count under.
func (r *rateLimit) key(p Principal) LimitKey {
	key := LimitKey{Method: r.quota.Method}
	if r.by == authzv1.RateLimit_KEY_METHOD {
		return key
	}
	if key.Issuer = p.IssuerName(); key.Issuer == "" {
		key.Issuer = p.Issuer()
	}
	client, subject := p.ClientID(), p.Subject()
	if client != "" && (r.by == authzv1.RateLimit_KEY_CLIENT || subject == "") {
		key.Client = client
	} else {
		key.Subject, key.Service = subject, p.IsService()
	}

	return key
}
