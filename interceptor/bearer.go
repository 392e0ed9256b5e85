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

// Why a credential was refused before any verification. They go to the hooks;
// the caller sees TOKEN_MISSING or TOKEN_INVALID.
var (
	errNoCredential     = errors.New("interceptor: the call carries no credential")
	errManyCredentials  = errors.New("interceptor: the call carries more than one authorization value")
	errNotBearer        = errors.New("interceptor: the authorization value is not a bearer token (RFC 6750 §2.1)")
	errTokenTooLong     = errors.New("interceptor: the token is longer than the limit")
	errTokenNotB64Token = errors.New("interceptor: the token has characters outside b64token (RFC 6750 §2.1)")
)

// tokenLengthError is errTokenTooLong with the sizes, in bytes.
type tokenLengthError struct{ size, limit int }

func (e *tokenLengthError) Error() string {
	return fmt.Sprintf("%v: %d bytes; interceptor.Config.MaxTokenBytes is %d, and verify.JWTConfig.MaxTokenBytes bounds it as well",
		errTokenTooLong, e.size, e.limit)
}

// Unwrap returns the constant cause.
func (e *tokenLengthError) Unwrap() error { return errTokenTooLong }

// bearerToken takes the one bearer token out of the incoming metadata. Two
// values are refused: whoever put a proxy's credential before the caller's must
// not decide which of them counts.
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

// authorizationOf returns the call's authorization values, which aren't to be
// changed. The public accessor copies what it returns, so the metadata that
// gRPC's transports make, with its keys in lower case, is looked into as it is.
func authorizationOf(ctx context.Context) []string {
	if md, ok := ctx.Value(incomingKey).(metadata.MD); ok {
		if values, ok := md[authorizationKey]; ok {
			return values
		}
	}

	return metadata.ValueFromIncomingContext(ctx, authorizationKey)
}

// parseBearer parses "Bearer b64token" (RFC 6750 §2.1). The token's characters are
// left to a verifier that checks them: those of this module do, before anything
// else, and know a token that they have seen without reading it again. Reading it
// here would cost more than all the rest.
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
