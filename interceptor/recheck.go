package interceptor

import (
	"context"
	"errors"

	"github.com/usher-auth/usher/credentials/verify"
)

// errOtherPrincipal is a token that stands for somebody else than it did.
var errOtherPrincipal = errors.New("interceptor: the token stands for another principal than when the stream began")

// recheck verifies the token again and asks again about every live object. It
// ends the stream if either says no, or can't say: an authorization that can't
// be renewed has run out.
func (s *guardedStream) recheck() {
	ctx, cancel := context.WithDeadline(s.ctx.Context, s.expiry())
	defer cancel()
	r := report{method: s.method, name: s.method.Name(), occasion: OccasionRecheck, principal: s.principal.Load(), watch: s.owner.startWatch()}
	err := s.reverify(ctx, &r)
	if err == nil {
		call := s.owner.newCall(ctx, s.method, r.principal)
		r.decision, err = s.memory.Recheck(ctx, &call)
	}
	switch {
	case err == nil:
		s.owner.granted(s.ctx, r)
	case s.ctx.Err() != nil:
		// The call has ended meanwhile: with that, not with what it did to us.
	case ctx.Err() != nil:
		s.expire()
	default:
		s.stop(s.owner.refused(s.ctx, r, err))
	}
}

func (s *guardedStream) reverify(ctx context.Context, r *report) error {
	principal, err := s.owner.verify(ctx, s.method, s.token)
	if err != nil {
		return err
	}
	if !same(principal, r.principal) {
		return s.owner.refusals.make(ReasonTokenInvalid, errOtherPrincipal, extras{challenge: &challenge{err: errorInvalidToken}})
	}
	r.principal = principal
	s.renew(principal)

	return nil
}

// same reports whether two principals are one caller: by all that says who it is to
// rules, subjects and handlers.
func same(a, b *verify.Principal) bool {
	return a.Issuer() == b.Issuer() && a.IssuerName() == b.IssuerName() &&
		a.Subject() == b.Subject() && a.ClientID() == b.ClientID() && a.Kind() == b.Kind()
}
