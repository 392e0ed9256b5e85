package interceptor

import (
	"context"
	"errors"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// errOtherPrincipal is a token that stands for somebody else than it did.
var errOtherPrincipal = errors.New("interceptor: the token stands for another principal than when the stream began")

// recheck verifies the token again and asks again about every live object. It
// ends the stream if either says no, or can't say: an authorization that can't
// be renewed has run out.
func (r *run) recheck() {
	ctx, cancel := context.WithDeadline(r.ctx.Context, r.expiry())
	defer cancel()
	about := report{method: r.method, name: r.method.Name(), occasion: OccasionRecheck, principal: r.principal.Load(), watch: r.owner.startWatch()}
	err := r.reverify(ctx, &about)
	if err == nil {
		call := r.owner.newCall(ctx, r.method, about.principal)
		about.decision, err = r.memory.Recheck(ctx, &call)
	}
	switch {
	case err == nil:
		r.owner.granted(r.ctx, about)
	case r.ctx.Err() != nil:
		// The call has ended meanwhile: with that, not with what it did to us.
	case ctx.Err() != nil:
		r.expire()
	default:
		r.stop(r.owner.refused(r.ctx, about, err))
	}
}

func (r *run) reverify(ctx context.Context, about *report) error {
	principal, err := r.owner.verify(ctx, r.method, r.token)
	if err != nil {
		return err
	}
	if !same(principal, about.principal) {
		return r.owner.refusals.make(authz.ReasonTokenInvalid, errOtherPrincipal, extras{challenge: &challenge{err: errorInvalidToken}})
	}
	about.principal = principal
	r.renew(principal)

	return nil
}

// same reports whether two principals are one caller: by all that says who it is to
// rules, subjects and handlers.
func same(a, b *verify.Principal) bool {
	return a.Issuer() == b.Issuer() && a.IssuerName() == b.IssuerName() &&
		a.Subject() == b.Subject() && a.ClientID() == b.ClientID() && a.Kind() == b.Kind()
}
