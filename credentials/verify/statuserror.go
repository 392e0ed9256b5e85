package verify

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/httpx"
	"github.com/usher-auth/usher/internal/retryafter"
	"github.com/usher-auth/usher/internal/strictjson"
)

// maxErrorBody bounds the body of an answer that refuses a request, in bytes.
const maxErrorBody = 4 << 10

// statusError is an answer of the introspection endpoint with a status other
// than 200. The only part of the answer's body that is kept is a registered
// error code.
type statusError struct {
	status     int
	code       string        // "" if there is none, or one that isn't registered
	retryAfter time.Duration // 0 if there is none, or if it doesn't count with this status
}

// newStatusError reads the answer. Retry-After counts only with a status that
// concerns all of this client's requests (RFC 6585 §4, RFC 9110 §15.6.4); with
// any other status it may concern one token.
func newStatusError(res *http.Response) *statusError {
	e := &statusError{status: res.StatusCode}
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		e.retryAfter = retryafter.Of(res.Header, time.Now(), retryafter.MaxIssuer)
	}
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		e.code = oauthCode(res.Body)
	}
	return e
}

// oauthCodes are the registered error codes (OAuth Extensions Error Registry,
// RFC 6749 §5.2) that an introspection endpoint may return. The value is true
// for codes that concern the token, rather than the request or its client.
var oauthCodes = map[string]bool{
	"unsupported_token_type": true, // RFC 7009 §2.2.1
	"invalid_token":          true, // RFC 6750 §3.1

	"invalid_request": false, // its cause may be one of our parameters as well as the token
	"invalid_client":  false, "unauthorized_client": false, "access_denied": false, "insufficient_scope": false,
	"invalid_grant": false, "unsupported_grant_type": false, "invalid_scope": false, "invalid_target": false,
	"server_error": false, "temporarily_unavailable": false,
}

// oauthCode reads the error code of an OAuth error (RFC 6749 §5.2), strictly.
func oauthCode(body io.Reader) string {
	text, err := httpx.Read(body, maxErrorBody)
	if err != nil {
		return ""
	}
	members, err := strictjson.Object(text, maxJSONMembers)
	if err != nil {
		return ""
	}
	code, _ := members["error"].(string)
	if _, registered := oauthCodes[code]; !registered {
		return ""
	}
	return code
}

// ofToken reports whether the endpoint refuses the token, rather than this
// client.
func (e *statusError) ofToken() bool {
	return e.status == http.StatusBadRequest && oauthCodes[e.code]
}

// Error returns the status and the setting that would help, for the operator.
func (e *statusError) Error() string {
	text := "introspection: HTTP status " + strconv.Itoa(e.status)
	if e.code != "" {
		text += ", " + e.code
	}
	switch {
	case e.ofToken():
	case e.status == http.StatusUnauthorized, e.code == "invalid_client":
		text += ": the endpoint refuses this server's own credentials: check IntrospectionConfig.ClientID and Auth"
	case e.status == http.StatusForbidden, e.code == "unauthorized_client", e.code == "access_denied", e.code == "insufficient_scope":
		text += ": check that the client of IntrospectionConfig.ClientID may introspect"
	case e.status == http.StatusBadRequest:
		text += ": the endpoint refuses the request: check IntrospectionConfig.URL and Auth"
	case e.status < http.StatusInternalServerError && e.status != http.StatusTooManyRequests:
		text += ": check IntrospectionConfig.URL; redirects are not followed"
	}
	return text
}

// statusOf returns the status of a refused request, or 0 if err isn't a
// statusError.
func statusOf(err error) int {
	if s := (*statusError)(nil); errors.As(err, &s) {
		return s.status
	}
	return 0
}
