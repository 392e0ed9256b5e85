package interceptor

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

const (
	// DefaultErrorDomain is the domain of the ErrorInfo that a refusal carries.
	DefaultErrorDomain = "usher.authz.v1"

	// defaultRetryDelay is the RetryInfo of an UNAVAILABLE whose cause names no
	// delay. It is long enough that the retries of many callers don't keep a service
	// down.
	defaultRetryDelay = time.Second
	// maxRetryDelay bounds the delay that an engine or an authorization server can
	// impose on callers.
	maxRetryDelay = 5 * time.Minute

	// maxLimitDelay bounds the delay of a rate limit: its longest period.
	maxLimitDelay = 24 * time.Hour

	// quotaMetric is what a rate limit counts.
	quotaMetric = "calls"

	// pushbackKey is the trailer that stops gRPC's own retries if its value is not a
	// delay (gRFC A6).
	pushbackKey = "grpc-retry-pushback-ms"
	pushbackNo  = "-1"
)

// Error is the error that the interceptors return for a refused call. Its text and
// its status's message are constants. [errors.Unwrap] returns the cause, for logging
// interceptors around usher; it is never sent to the caller.
type Error struct {
	// Reason is why the call was refused.
	Reason authz.Reason
	// DecisionID is the identifier that both the caller and the hooks are told. A
	// denial that hides existence doesn't tell the caller.
	DecisionID string

	status    *status.Status
	challenge string
	pushback  bool
	cause     error
}

// Error returns the text, which is constant for the reason.
func (e *Error) Error() string {
	return "interceptor: " + string(e.Reason) + ": " + publics[e.Reason].text
}

// Unwrap returns the cause, nil if there is none beyond the reason.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus returns the status that the caller sees.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// trailer returns the trailer that is sent with the status, nil if there is none.
func (e *Error) trailer() metadata.MD {
	var md metadata.MD
	if e.challenge != "" {
		md = metadata.Pairs(challengeKey, e.challenge)
	}
	if e.pushback {
		md = metadata.Join(md, metadata.Pairs(pushbackKey, pushbackNo))
	}

	return md
}

// refusals makes the errors of an interceptor.
type refusals struct {
	domain string
	realm  string
}

// of returns the refusal for a cause, by the type of the cause. An error that no
// part of usher made is INTERNAL, never a grant.
func (r refusals) of(ctx context.Context, err error, hidesExistence bool) *Error {
	var refused *Error
	if errors.As(err, &refused) && refused != nil && refused.status != nil {
		return refused
	}
	var denied *authz.Error
	if errors.As(err, &denied) && denied != nil {
		return r.ofAuthz(denied, hidesExistence)
	}
	var unverified *verify.Error
	if errors.As(err, &unverified) && unverified != nil {
		return r.ofVerify(unverified)
	}
	switch {
	case errors.Is(err, errNoCredential):
		return r.make(authz.ReasonTokenMissing, err, extras{challenge: &challenge{}})
	case isCredentialFault(err):
		return r.make(authz.ReasonTokenInvalid, err, extras{challenge: &challenge{err: errorInvalidToken}})
	case errors.Is(err, errExpired):
		return r.make(authz.ReasonTokenExpired, err, extras{challenge: &challenge{err: errorInvalidToken}})
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		return r.make(authz.ReasonDeadlineExceeded, err, extras{})
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return r.make(authz.ReasonCanceled, err, extras{})
	default:
		return r.make(authz.ReasonMisconfigured, err, extras{})
	}
}

func isCredentialFault(err error) bool {
	return errors.Is(err, errManyCredentials) || errors.Is(err, errNotBearer) ||
		errors.Is(err, errTokenTooLong) || errors.Is(err, errTokenNotB64Token)
}

func (r refusals) ofVerify(err *verify.Error) *Error {
	switch err.Kind {
	case verify.CredentialFault:
		reason := authz.ReasonTokenInvalid
		if err.Expired {
			reason = authz.ReasonTokenExpired
		}

		return r.make(reason, err, extras{challenge: &challenge{err: errorInvalidToken}})
	case verify.DependencyFault:
		return r.make(authz.ReasonVerifierUnavailable, err, extras{retryAfter: err.RetryAfter})
	case verify.ConfigurationFault:
		return r.make(authz.ReasonMisconfigured, err, extras{})
	default:
		return r.make(authz.ReasonMisconfigured, err, extras{})
	}
}

func (r refusals) ofAuthz(err *authz.Error, hidesExistence bool) *Error {
	reason := err.Reason
	switch err.Reason {
	case authz.ReasonTokenMissing:
		return r.make(reason, err, extras{challenge: &challenge{}})
	case authz.ReasonInsufficientScope:
		return r.make(reason, err, extras{challenge: &challenge{err: errorInsufficientScope, scopes: err.RequiredScopes}})
	case authz.ReasonStepUpRequired:
		return r.make(reason, err, extras{
			challenge: &challenge{err: errorStepUp, acrValues: err.ACRValues, maxAge: err.MaxAge},
			pushback:  true,
			detail: &errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{{
				Type: string(reason), Subject: "access_token", Description: publics[reason].text,
			}}},
		})
	case authz.ReasonObjectMissing:
		return r.make(reason, err, extras{detail: badRequest(err.Field, "doesn't name an object")})
	case authz.ReasonRevisionInvalid:
		return r.make(reason, err, extras{detail: badRequest(err.Field, "is not a valid revision")})
	case authz.ReasonEngineUnavailable, authz.ReasonLimiterUnavailable:
		return r.make(reason, err, extras{retryAfter: err.RetryAfter})
	case authz.ReasonRateLimited:
		return r.make(reason, err, extras{retryAfter: err.RetryAfter, detail: quotaFailure(err.Quota)})
	case authz.ReasonRelationDenied:
		if hidesExistence {
			return &Error{
				Reason: reason, DecisionID: newDecisionID(), cause: err,
				status: notFound,
			}
		}

		return r.make(reason, err, extras{})
	case authz.ReasonSubjectUnmapped, authz.ReasonSubjectInvalid, authz.ReasonRuleMissing,
		authz.ReasonMisconfigured, authz.ReasonKindDenied, authz.ReasonIssuerDenied, authz.ReasonMethodDenied,
		authz.ReasonTooManyObjects:
		return r.make(reason, err, extras{})
	default:
		return r.make(authz.ReasonMisconfigured, err, extras{})
	}
}

// quotaFailure says which limit was exceeded, and never whose calls were counted.
func quotaFailure(quota *authz.Quota) protoadapt.MessageV1 {
	if quota == nil {
		return nil
	}

	return &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{
		Subject: quota.Key, Description: publics[authz.ReasonRateLimited].text,
		QuotaMetric: quotaMetric, QuotaId: strings.TrimPrefix(quota.Method, "/"), QuotaValue: int64(quota.Limit.Requests),
	}}}
}

func badRequest(field, description string) protoadapt.MessageV1 {
	if field == "" {
		return nil
	}

	return &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{
		Field: field, Description: description,
	}}}
}

// extras are what some refusals have beside their ErrorInfo.
type extras struct {
	challenge  *challenge
	pushback   bool
	retryAfter time.Duration
	detail     protoadapt.MessageV1
}

func (r refusals) make(reason authz.Reason, cause error, more extras) *Error {
	e := &Error{Reason: reason, DecisionID: newDecisionID(), pushback: more.pushback, cause: cause}
	if more.challenge != nil {
		more.challenge.realm = r.realm
		e.challenge = more.challenge.String()
	}
	said := publics[reason]
	if said.text == "" {
		said = publics[authz.ReasonMisconfigured]
	}
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{
		Reason: string(reason), Domain: r.domain,
		Metadata: map[string]string{"decision_id": e.DecisionID},
	}}
	if longest := longestDelay(reason, said.code); longest > 0 {
		delay := more.retryAfter
		if delay <= 0 {
			delay = defaultRetryDelay
		}
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(min(delay, longest))})
	}
	if more.detail != nil {
		details = append(details, more.detail)
	}
	e.status = status.New(said.code, said.text)
	if detailed, err := e.status.WithDetails(details...); err == nil {
		e.status = detailed
	}

	return e
}

// longestDelay bounds the RetryInfo of a refusal. Zero means that it has none.
func longestDelay(reason authz.Reason, code codes.Code) time.Duration {
	switch {
	case reason == authz.ReasonRateLimited:
		return maxLimitDelay
	case code == codes.Unavailable:
		return maxRetryDelay
	default:
		return 0
	}
}

func newDecisionID() string { return rand.Text() }
