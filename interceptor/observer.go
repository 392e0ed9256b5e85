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
// they must be fast and safe for concurrent use; any may be nil. A function that
// panics is contained: the call goes on as if it had returned.
//
// Events hold principals and causes, for logs and metrics; never a token.
type Observer struct {
	// Authenticated is told who calls, once for each call whose token was
	// verified: in the call's own goroutine, before the call is decided.
	Authenticated func(ctx context.Context, event Authenticated)
	// Decided is told of each verdict: one for each unary call, one for each
	// checked message of a stream, one for each recheck, and one for each refusal
	// before and beside those. Calls of public methods have no verdict.
	Decided func(ctx context.Context, event Decided)
	// HandlerOverran is told of a stream's handler that still runs a second after its
	// call has ended, since it ignores its context and the errors of its stream, and
	// again when it returns at last. GracefulStop doesn't wait for it.
	HandlerOverran func(ctx context.Context, event HandlerOverran)
	// HandlerPanicked is told of a panic in a handler after its call has ended,
	// where there is no caller left to fail. A panic before that goes on as any
	// panic of a handler does.
	HandlerPanicked func(ctx context.Context, event HandlerPanicked)
	// HookPanicked is told of a panic in one of the functions above, or in the
	// verifier: that call is refused with MISCONFIGURED.
	HookPanicked func(ctx context.Context, event HookPanicked)
}

// Occasion says what a verdict was about.
type Occasion uint8

const (
	// OccasionCall is the start of a call.
	OccasionCall Occasion = iota
	// OccasionMessage is a message of a stream.
	OccasionMessage
	// OccasionRecheck is a recheck interval of a stream that ran out.
	OccasionRecheck
	// OccasionEnd is a refusal that ends a call for what happened since: its
	// token expired, or its handler answered without a check.
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

// Authenticated is a call whose caller is known.
type Authenticated struct {
	// Method is the full method; it has a rule.
	Method string
	// Principal is the caller.
	Principal *verify.Principal
}

// Decided is one verdict.
type Decided struct {
	// Method is the full method, as in "/pkg.Service/Method". The caller chose
	// it: bound it before it becomes a label.
	Method string
	// Known says whether the method has a plan; if not, Method is any text.
	Known bool
	// Occasion says what the verdict was about.
	Occasion Occasion
	// Principal is the caller, nil if none was verified.
	Principal *verify.Principal
	// Decision is what the rule said, nil if the call was refused before it was
	// asked.
	Decision *authz.Decision
	// Reason is why the call was refused; empty if it was granted.
	Reason authz.Reason
	// Code is what the caller sees; OK if it was granted.
	Code codes.Code
	// DecisionID is what the caller was told for its support request; empty if
	// the call was granted.
	DecisionID string
	// Err is the cause of a refusal, for logs; nil if there is none beyond the
	// reason.
	Err error
	// Peer is the address of the connection's other end, of a refusal; invalid if
	// the call was granted, or where there is none, as on a unix socket. It is a
	// proxy's address behind a proxy.
	Peer netip.AddrPort
	// Unverified is what a refused token said of itself; nil if no token was
	// refused, or nothing could be read. Anyone can write such a token: it is for
	// logs, where it must be escaped, never for a decision or a metric's label.
	Unverified *verify.Unverified
	// Duration is what verification and decision took together.
	Duration time.Duration
}

// Allowed says whether the verdict is a grant.
func (d Decided) Allowed() bool { return d.Reason == "" }

// HandlerOverran is a stream's handler that outlives its call.
type HandlerOverran struct {
	// Method is the full method.
	Method string
	// Principal is the caller.
	Principal *verify.Principal
	// Err is why the call ended.
	Err error
	// Returned reports whether the handler has returned since, or panicked. Each
	// event that has it follows one of the same handler that hasn't, so that the
	// difference of their numbers is how many handlers run on at present.
	Returned bool
	// After is how long ago the call ended.
	After time.Duration
}

// HandlerPanicked is a panic in a handler after its call has ended.
type HandlerPanicked struct {
	// Method is the full method.
	Method string
	// Value is what the handler panicked with.
	Value any
	// Stack is the stack of the panic.
	Stack []byte
}

// HookPanicked is a panic in a function of an Observer, or in the verifier.
type HookPanicked struct {
	// Hook is the name of the function, or "Verifier".
	Hook string
	// Value is what it panicked with. It may hold anything, a verifier's a token:
	// it must not be logged.
	Value any
	// Stack is the stack of the panic.
	Stack []byte
}
