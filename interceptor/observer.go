package interceptor

import (
	"context"
	"net/netip"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// Observer is told what happens to calls. Its functions run in the call, so
// they must be fast and safe for concurrent use; any of them may be nil. If a
// function panics, the call goes on as if it had returned.
//
// Events hold principals and causes, for logs and metrics; never a token.
type Observer struct {
	// Authenticated is called once for each call whose token was verified, in the
	// call's own goroutine, before the call is decided.
	Authenticated func(ctx context.Context, event Authenticated)
	// Decided is called for each verdict: one for each unary call, one for each
	// checked message of a stream, one for each recheck, and one for each refusal
	// before and beside those. Calls of public methods have no verdict.
	Decided func(ctx context.Context, event Decided)
	// HandlerOverran is called when a stream's handler still runs a second after its
	// call has ended, because it ignores its context and the errors of its stream,
	// and again when that handler returns. GracefulStop doesn't wait for it.
	HandlerOverran func(ctx context.Context, event HandlerOverran)
	// HandlerPanicked is called for a panic in a stream's handler after its call has
	// ended. A panic before that propagates as any panic of a handler does.
	HandlerPanicked func(ctx context.Context, event HandlerPanicked)
	// HookPanicked is called for a panic in one of the functions above, in the
	// verifier or in [Config.PeerIP]. After a panic in one of the last two the call is
	// refused: if nothing else refuses it, with MISCONFIGURED.
	HookPanicked func(ctx context.Context, event HookPanicked)
}

// Occasion is what a verdict was about.
type Occasion uint8

const (
	// OccasionCall is the start of a call.
	OccasionCall Occasion = iota
	// OccasionMessage is a message of a stream.
	OccasionMessage
	// OccasionRecheck is the recheck of a stream after its recheck interval.
	OccasionRecheck
	// OccasionEnd is a refusal that ends a call for something that happened since its
	// start: its token expired, its handler answered without a granted check, or
	// returned the error of a check of its own.
	OccasionEnd
)

// String returns the occasion in one word.
func (o Occasion) String() string {
	switch o {
	case OccasionCall:
		return "call"
	case OccasionMessage:
		return "message"
	case OccasionRecheck:
		return "recheck"
	case OccasionEnd:
		return "end"
	default:
		return "invalid"
	}
}

// Authenticated describes a call whose token was verified.
type Authenticated struct {
	// Method is the full method. It has a rule.
	Method string
	// Principal is the caller.
	Principal *verify.Principal
}

// Decided describes a verdict.
type Decided struct {
	// Method is the full method, as in "/pkg.Service/Method". Unless Known is set,
	// the caller chose the text: don't make it a metric's label.
	Method string
	// Known reports whether the method has a rule.
	Known bool
	// Occasion is what the verdict was about.
	Occasion Occasion
	// Principal is the caller, nil if none was verified.
	Principal *verify.Principal
	// Decision is the rule's decision, nil if the call was refused before the rule
	// was evaluated.
	Decision *authz.Decision
	// Reason is why the call was refused; empty if it was granted.
	Reason authz.Reason
	// Code is the code that the caller sees; OK if the call was granted.
	Code codes.Code
	// DecisionID is the identifier that the caller can give to support; empty if the
	// call was granted. A denial that hides existence doesn't tell the caller.
	DecisionID string
	// Err is the cause of a refusal, for logs; nil if there is none beyond the
	// reason. If it is a [*verify.Error], its text is constant, and [errors.Unwrap]
	// returns what was wrong with the token or its issuer.
	Err error
	// Peer is the address of the connection's other end, for a refusal. It is
	// invalid if the call was granted, or if there is no such address, as on a unix
	// socket. Behind a proxy it is the proxy's address.
	Peer netip.AddrPort
	// PeerIP is the address that rules read: behind the proxies of
	// [Config.TrustedProxies] it is the caller's. For a grant it is set only if the
	// method's rule reads the connection. It is invalid if it isn't known.
	PeerIP netip.Addr
	// Unverified holds the claims of a refused token as they were sent; nil if no
	// token was refused, or nothing could be read. Anyone can write such a token: it
	// is for logs, where it must be escaped, never for a decision or a metric's label.
	Unverified *verify.Unverified
	// Duration is how long verification and decision took together.
	Duration time.Duration
}

// Allowed reports whether the verdict is a grant.
func (d Decided) Allowed() bool { return d.Reason == "" }

// HandlerOverran describes a stream's handler that outlives its call.
type HandlerOverran struct {
	// Method is the full method.
	Method string
	// Principal is the caller.
	Principal *verify.Principal
	// Err is the error that the call ended with.
	Err error
	// Returned reports whether the handler has returned since, or panicked. Each
	// event with Returned set follows an event of the same handler without it, so the
	// difference of their numbers is how many such handlers run at present.
	Returned bool
	// After is the time since the call ended.
	After time.Duration
}

// HandlerPanicked describes a panic in a handler after its call has ended.
type HandlerPanicked struct {
	// Method is the full method.
	Method string
	// Value is what the handler panicked with.
	Value any
	// Stack is the stack of the panic.
	Stack []byte
}

// HookPanicked describes a panic in a function of an Observer, in the verifier or in
// [Config.PeerIP].
type HookPanicked struct {
	// Hook is the name of the function, "Verifier" or "PeerIP".
	Hook string
	// Value is what it panicked with. It may hold anything, in a verifier even a
	// token: don't log it.
	Value any
	// Stack is the stack of the panic.
	Stack []byte
}
