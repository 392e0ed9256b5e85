package interceptor

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
)

// challengeKey is the trailer that carries a challenge (RFC 6750 §3), as
// www-authenticate does in HTTP.
const challengeKey = "www-authenticate"

// The error codes of a challenge.
const (
	errorInvalidToken      = "invalid_token"                    // RFC 6750 §3.1
	errorInsufficientScope = "insufficient_scope"               // RFC 6750 §3.1
	errorStepUp            = "insufficient_user_authentication" // RFC 9470 §3
)

// challenge is a bearer challenge. A parameter without a value is left out; the
// zero value only asks for a bearer token.
type challenge struct {
	realm     string
	err       string
	scopes    []string
	acrValues []string
	maxAge    time.Duration
}

// String returns the challenge as one value of www-authenticate.
func (c challenge) String() string {
	var b strings.Builder
	b.WriteString("Bearer")
	separator := " "
	param := func(name, value string) {
		if value == "" {
			return
		}
		b.WriteString(separator)
		b.WriteString(name)
		b.WriteByte('=')
		writeQuoted(&b, value)
		separator = ", "
	}
	param("realm", c.realm)
	param("error", c.err)
	param("scope", strings.Join(c.scopes, " "))
	param("acr_values", strings.Join(c.acrValues, " "))
	if c.maxAge > 0 {
		param("max_age", strconv.FormatInt(int64(c.maxAge/time.Second), 10))
	}

	return b.String()
}

// writeQuoted writes a quoted-string (RFC 9110 §5.6.4). It leaves out every
// character that isn't printable ASCII: the values come from rules, which are
// printable text.
func writeQuoted(b *strings.Builder, value string) {
	b.WriteByte('"')
	for i := range len(value) {
		c := value[i]
		if c < ' ' || c > '~' {
			continue
		}
		if c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	b.WriteByte('"')
}

// withoutChallenge returns md without the challenges for the scheme Bearer. A
// handler that passes on the trailers of a service that it called would otherwise
// make its own caller throw away a good token, and call again. The name of a scheme
// can't be escaped (RFC 9110 §11.1), so a value without it holds no such challenge;
// a value that has the name anywhere is dropped, since clients may parse it in
// different ways. Keys are compared after strings.ToLower, as gRPC writes them,
// which maps more keys to this one than strings.EqualFold. The metadata is copied
// only if something is dropped.
func withoutChallenge(md metadata.MD) metadata.MD {
	for key, values := range md {
		if strings.ToLower(key) != challengeKey || !slices.ContainsFunc(values, namesBearer) {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(values), namesBearer)
		md = md.Copy()
		delete(md, key)
		if len(kept) > 0 {
			md[key] = kept
		}

		return withoutChallenge(md)
	}

	return md
}

// namesBearer reports whether the name of the scheme, in any case, is anywhere in
// the value.
func namesBearer(value string) bool {
	const scheme = "bearer"
	for i := range len(value) - len(scheme) + 1 {
		if strings.EqualFold(value[i:i+len(scheme)], scheme) {
			return true
		}
	}

	return false
}
