package credentials

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ErrorKind classifies why there is no token.
type ErrorKind uint8

// The error kinds, each with the gRPC code that its errors carry. The zero
// value is invalid and counts as INTERNAL.
const (
	_ ErrorKind = iota
	// KindUnavailable means that the token endpoint couldn't be reached, didn't
	// answer in time, or answered 429, 5xx or a redirect. UNAVAILABLE.
	KindUnavailable
	// KindMalformed means that the endpoint's answer was neither a token nor an
	// OAuth error. UNAVAILABLE.
	KindMalformed
	// KindRejected means that the endpoint refused the client or its request,
	// with an OAuth error code. UNAUTHENTICATED.
	KindRejected
	// KindMisconfigured means that the configuration can't work: a secret or
	// key that can't be read, metadata of another issuer, a token type other
	// than Bearer. INTERNAL.
	KindMisconfigured
	// KindInsecure means that the connection doesn't protect a token, so none
	// was fetched or sent. UNAUTHENTICATED, as gRPC itself answers in this
	// case.
	KindInsecure
	// KindDeadline means that the caller's deadline passed first.
	// DEADLINE_EXCEEDED.
	KindDeadline
	// KindCanceled means that the caller canceled first, or that the
	// credentials are closed. CANCELED.
	KindCanceled
)

// Error describes why there is no token. It holds no secret, token or response
// body: it may be logged and returned to a caller. It is immutable.
type Error struct {
	// Kind classifies the error and decides its gRPC code.
	Kind ErrorKind
	// Code is the OAuth error code (RFC 6749 §5.2, RFC 8707 §2) if the endpoint
	// returned a registered one.
	Code string
	// HTTPStatus is the endpoint's status, or zero if it didn't answer.
	HTTPStatus int
	// RetryAfter is the time until the next attempt, or zero if that isn't
	// known. Calls before then get the same error without a request.
	RetryAfter time.Duration

	text string
	err  error
}

// Error implements error. The text consists of constants, the HTTP status and
// Code.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("credentials: ")
	b.WriteString(e.text)
	if e.Code != "" {
		b.WriteString(": ")
		b.WriteString(e.Code)
	}
	if e.HTTPStatus != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.HTTPStatus)
	}
	return b.String()
}

// Unwrap returns the cause, or nil: the URL of the request (without user and
// query), its outcome, with a *net.OpError or the error of a
// [clientauth.Secret] behind it, and the setting that would help. The cause is
// for the operator: its text may name hosts and files, and quotes values from a
// server, at most 128 bytes each, which it calls unverified.
func (e *Error) Unwrap() error { return e.err }

// GRPCStatus returns the status of the call: UNAVAILABLE, UNAUTHENTICATED,
// DEADLINE_EXCEEDED, CANCELED or INTERNAL, with RetryInfo if RetryAfter is
// known.
func (e *Error) GRPCStatus() *status.Status {
	st := status.New(e.Kind.code(), e.Error())
	if e.RetryAfter <= 0 {
		return st
	}
	detailed, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	if err != nil {
		return st
	}
	return detailed
}

func (k ErrorKind) code() codes.Code {
	switch k {
	case KindUnavailable, KindMalformed:
		return codes.Unavailable
	case KindRejected, KindInsecure:
		return codes.Unauthenticated
	case KindDeadline:
		return codes.DeadlineExceeded
	case KindCanceled:
		return codes.Canceled
	case KindMisconfigured:
	}
	return codes.Internal
}

// String returns the name of the kind in lower case, for metrics and logs.
func (k ErrorKind) String() string {
	switch k {
	case KindUnavailable:
		return "unavailable"
	case KindMalformed:
		return "malformed"
	case KindRejected:
		return "rejected"
	case KindMisconfigured:
		return "misconfigured"
	case KindInsecure:
		return "insecure"
	case KindDeadline:
		return "deadline"
	case KindCanceled:
		return "canceled"
	}
	return "unknown"
}

// ErrClosed is wrapped by errors after Close.
var ErrClosed = errors.New("credentials: closed")

func errorClosed() *Error {
	return &Error{Kind: KindCanceled, text: "closed", err: ErrClosed}
}

// errorOfContext returns the error of a caller whose context ended before there
// was a token.
func errorOfContext(err error) *Error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Kind: KindDeadline, text: "the deadline passed while waiting for a token", err: err}
	}
	return &Error{Kind: KindCanceled, text: "canceled while waiting for a token", err: err}
}

// joined returns the texts of several errors as one line.
func joined(errs []error) string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}
