package interceptor

import (
	"context"
	"errors"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// errOtherPrincipal is the cause of ending a stream whose token now identifies
// another principal.
var errOtherPrincipal = errors.New("interceptor: the token stands for another principal than when the stream began")

// recheck verifies the token again and checks every live object again. It ends the
// stream if one of them is refused, or can't be decided: an authorization that
// can't be renewed has expired.
func (r *run) recheck() {
	ctx, cancel := context.WithDeadline(r.ctx.Context, r.expiry())
	defer cancel()
	about := report{method: r.method, name: r.method.Name(), occasion: OccasionRecheck, principal: r.principal.Load(), watch: r.owner.startWatch()}
	about.peerIP, about.located = r.address()
	err := r.reverify(ctx, &about)
	if err == nil {
		call := r.owner.newCall(ctx, r.method, about.principal, about.peerIP)
		about.decision, err = r.memory.Recheck(ctx, &call)
	}
	switch {
	case err == nil:
		r.owner.granted(r.ctx, about)
	case r.ctx.Err() != nil:
		// The call has ended meanwhile: err is only a consequence of that.
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

// same reports whether two principals are the same caller. It compares everything
// that identifies the caller to rules, subjects and handlers.
func same(a, b *verify.Principal) bool {
	return a.Issuer() == b.Issuer() && a.IssuerName() == b.IssuerName() &&
		a.Subject() == b.Subject() && a.ClientID() == b.ClientID() && a.Kind() == b.Kind()
}
