package interceptor

import (
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
// zero value says only that a bearer token is wanted.
type challenge struct {
	realm     string
	err       string
	scopes    []string
	acrValues []string
	maxAge    time.Duration
}

// String writes the challenge as one value of www-authenticate.
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

// writeQuoted writes a quoted-string (RFC 9110 §5.6.4). What can't stand in one
// is left out: the values come from rules, which are printable text.
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

// withoutChallenge drops challenges that blame the caller's token. A handler
// that passes on the trailers of a service behind it would otherwise make its
// own caller throw away a good token. It copies only when something is dropped.
func withoutChallenge(md metadata.MD) metadata.MD {
	for key, values := range md {
		if !strings.EqualFold(key, challengeKey) {
			continue
		}
		kept := make([]string, 0, len(values))
		for _, value := range values {
			if !strings.Contains(strings.ToLower(value), errorInvalidToken) {
				kept = append(kept, value)
			}
		}
		if len(kept) == len(values) {
			continue
		}
		md = md.Copy()
		delete(md, key)
		if len(kept) > 0 {
			md[challengeKey] = kept
		}

		return withoutChallenge(md)
	}

	return md
}
