package interceptor

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/metadata"

	"github.com/usher-auth/usher/internal/bearer"
)

// DefaultMaxTokenBytes is the size above which a token is refused before it is
// decoded. gRPC itself lets 16 MiB of headers through.
const DefaultMaxTokenBytes = 16 << 10

// authorizationKey is the metadata key of the credential, in the lower case that
// gRPC puts every key in.
const authorizationKey = "authorization"

// The causes of refusing a credential before any verification. They go to the
// hooks; the caller sees TOKEN_MISSING or TOKEN_INVALID.
var (
	errNoCredential     = errors.New("interceptor: the call carries no credential")
	errManyCredentials  = errors.New("interceptor: the call carries more than one authorization value")
	errNotBearer        = errors.New("interceptor: the authorization value is not a bearer token (RFC 6750 §2.1)")
	errTokenTooLong     = errors.New("interceptor: the token is longer than the limit")
	errTokenNotB64Token = errors.New("interceptor: the token has characters outside b64token (RFC 6750 §2.1)")
)

// tokenLengthError is errTokenTooLong with the token's size and the limit, in bytes.
type tokenLengthError struct{ size, limit int }

func (e *tokenLengthError) Error() string {
	return fmt.Sprintf("%v: %d bytes; interceptor.Config.MaxTokenBytes is %d, and verify.JWTConfig.MaxTokenBytes bounds it as well",
		errTokenTooLong, e.size, e.limit)
}

// Unwrap returns the constant cause.
func (e *tokenLengthError) Unwrap() error { return errTokenTooLong }

// bearerToken returns the one bearer token of the incoming metadata. Two values
// are refused: if a proxy adds its own credential to the caller's, their order must
// not decide which one counts.
func (i *Interceptor) bearerToken(ctx context.Context) (string, error) {
	values := authorizationOf(ctx)
	switch len(values) {
	case 0:
		return "", errNoCredential
	case 1:
		return parseBearer(values[0], i.maxTokenBytes, i.verifierIsOurs)
	default:
		return "", errManyCredentials
	}
}

// authorizationOf returns the call's authorization values. The caller must not
// change them. gRPC's own accessor copies what it returns, so this function reads
// the metadata directly; gRPC's transports make it with keys in lower case.
func authorizationOf(ctx context.Context) []string {
	if md, ok := ctx.Value(incomingKey).(metadata.MD); ok {
		if values, ok := md[authorizationKey]; ok {
			return values
		}
	}

	return metadata.ValueFromIncomingContext(ctx, authorizationKey)
}

// parseBearer parses "Bearer b64token" (RFC 6750 §2.1). If formChecked is set, it
// leaves the token's characters to the verifier: the verifiers of this module check
// them before anything else, and recognize a token that they have seen without
// checking it again. To check it here would cost more than everything else.
func parseBearer(value string, maxBytes int, formChecked bool) (string, error) {
	token, ok := bearer.Token(value)
	if !ok {
		return "", errNotBearer
	}
	if len(token) > maxBytes {
		return "", &tokenLengthError{size: len(token), limit: maxBytes}
	}
	if !formChecked && !bearer.IsToken(token) {
		return "", errTokenNotB64Token
	}

	return token, nil
}
