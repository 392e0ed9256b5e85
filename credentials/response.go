package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/httpx"
	"github.com/usher-auth/usher/internal/retryafter"
	"github.com/usher-auth/usher/internal/strictjson"
)

const (
	// maxBody bounds a response, in bytes. A token has a few KiB.
	maxBody = 1 << 20
	// maxMembers bounds the members of a JSON object. The metadata of large
	// servers has 80.
	maxMembers = 512
	// maxToken bounds an access token, in bytes: it is the largest that servers
	// of this toolkit accept, and twice what common header limits allow.
	maxToken = 16 << 10
)

// readToken reads the answer of a token endpoint (RFC 6749 §5).
func readToken(resp *http.Response, defaultLifetime time.Duration, wall time.Time) (*grant, *failure) {
	fields, failed := readObject(resp, wall, "the token endpoint")
	if failed != nil {
		return nil, failed
	}
	// Some servers report errors with 200.
	if raw, ok := fields["error"]; ok {
		code, ok := optionalString(raw)
		if !ok {
			return nil, malformed(resp.StatusCode, "the token endpoint answered an error that is not OAuth's")
		}
		if code != "" {
			return nil, failureOfCode(code, resp, wall)
		}
	}
	if resp.StatusCode/100 != 2 {
		return nil, malformed(resp.StatusCode, "the token endpoint refused without an OAuth error")
	}
	return readGrant(fields, resp.StatusCode, defaultLifetime)
}

// readObject reads a JSON object of bounded size from an answer that may hold
// one: 2xx, and 4xx except the statuses that mean "later". It ignores the
// content type, since some servers send text/plain.
func readObject(resp *http.Response, wall time.Time, who string) (map[string]any, *failure) {
	status := resp.StatusCode
	unavailable := func(text string, err error) *failure {
		return &failure{wide: true, err: &Error{
			Kind: KindUnavailable, HTTPStatus: status, RetryAfter: retryafter.Of(resp.Header, wall, retryafter.MaxIssuer), text: text, err: err,
		}}
	}
	switch {
	case status == http.StatusTooManyRequests:
		return nil, unavailable(who+" limits the rate of requests", nil)
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return nil, unavailable(who+" is unavailable", nil)
	case status/100 == 3:
		return nil, unavailable(who+" redirects, which is not followed", nil)
	case status < 200:
		return nil, unavailable(who+" gave no final answer", nil)
	}
	body, err := httpx.Read(resp.Body, maxBody)
	if errors.Is(err, httpx.ErrTooLarge) {
		return nil, malformed(status, who+"'s answer is too large")
	}
	if err != nil {
		return nil, unavailable(who+"'s answer broke off", err)
	}
	fields, err := strictjson.Object(body, maxMembers)
	if err != nil {
		return nil, malformed(status, who+"'s answer is not a JSON object")
	}
	return fields, nil
}

func malformed(status int, text string) *failure {
	return &failure{wide: true, err: &Error{Kind: KindMalformed, HTTPStatus: status, text: text}}
}

// knownCodes are the registered OAuth errors of a token endpoint, and whether
// they concern one target only. Other codes aren't repeated in an error, since
// their text is chosen by the server.
var knownCodes = map[string]bool{
	"invalid_client":         false,
	"unauthorized_client":    false,
	"invalid_grant":          false,
	"unsupported_grant_type": false,
	"use_dpop_nonce":         false,
	"invalid_dpop_proof":     false,
	"invalid_request":        true,
	"invalid_scope":          true,
	"invalid_target":         true,
	"access_denied":          true,
}

func failureOfCode(code string, resp *http.Response, wall time.Time) *failure {
	status := resp.StatusCode
	if code == "temporarily_unavailable" || code == "server_error" || code == "slow_down" {
		return &failure{wide: true, err: &Error{
			Kind: KindUnavailable, Code: code, HTTPStatus: status, RetryAfter: retryafter.Of(resp.Header, wall, retryafter.MaxIssuer),
			text: "the token endpoint is unavailable",
		}}
	}
	ofTarget, known := knownCodes[code]
	if !known {
		code = ""
	}
	return &failure{wide: !ofTarget, slow: true, err: &Error{
		Kind: KindRejected, Code: code, HTTPStatus: status, RetryAfter: retryafter.Of(resp.Header, wall, retryafter.MaxIssuer),
		text: "the token endpoint rejected the client",
	}}
}

// readGrant reads a successful answer (RFC 6749 §5.1). A fault of the token
// concerns its target only, since servers configure tokens for each resource.
func readGrant(fields map[string]any, status int, defaultLifetime time.Duration) (*grant, *failure) {
	unusable := func(text string) *failure {
		return &failure{err: &Error{Kind: KindMalformed, HTTPStatus: status, text: text}}
	}
	tokenType, ok := optionalString(fields["token_type"])
	if !ok {
		return nil, unusable("the token_type is not a string")
	}
	// A DPoP or MAC token sent as Bearer would be a downgrade (RFC 6749 §7.1).
	if tokenType != "" && !strings.EqualFold(tokenType, "Bearer") {
		return nil, &failure{slow: true, err: &Error{
			Kind: KindMisconfigured, HTTPStatus: status, text: "the token endpoint gives tokens of a type other than Bearer",
		}}
	}
	accessToken, ok := optionalString(fields["access_token"])
	if !ok {
		return nil, unusable("the access_token is not a string")
	}
	if err := checkToken(accessToken); err != nil {
		return nil, unusable(err.Error())
	}
	return &grant{accessToken: accessToken, lifetime: readLifetime(fields["expires_in"], defaultLifetime)}, nil
}

// optionalString returns a member that is a string, or "" if it is missing or
// null. It returns false for a value of another type.
func optionalString(value any) (string, bool) {
	text, ok := value.(string)
	return text, ok || value == nil
}

// checkToken returns an error for a token that is empty, too large, or not
// valid as a header's value.
func checkToken(value string) error {
	switch {
	case value == "":
		return errors.New("the access_token is missing or empty")
	case len(value) > maxToken:
		return fmt.Errorf("the access_token is larger than %d bytes", maxToken)
	}
	for i := range len(value) {
		if value[i] <= ' ' || value[i] >= 0x7f {
			return errors.New("the access_token has a character that a header can't carry")
		}
	}
	return nil
}

// readLifetime reads expires_in: a number of seconds, possibly with a fraction
// or in a string. An unusable value means the default, never "for ever".
func readLifetime(value any, fallback time.Duration) time.Duration {
	text := ""
	switch value := value.(type) {
	case json.Number:
		text = value.String()
	case string:
		text = value
	}
	if strings.Trim(text, "0123456789.eE+-") != "" || strings.HasPrefix(text, "+") {
		return fallback // ParseFloat accepts more than JSON does: Inf, hexadecimal, underscores
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) && seconds > 0 {
		return maxLifetime
	}
	if err != nil || math.IsNaN(seconds) || seconds <= 0 {
		return fallback
	}
	if seconds >= maxLifetime.Seconds() {
		return maxLifetime
	}
	return max(time.Duration(seconds*float64(time.Second)), minLifetime)
}

// plainAnswer returns the response that x/oauth2 reads. It holds checked values
// only, so that x/oauth2 can't misread it.
func plainAnswer(req *http.Request, granted *grant) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{
		"access_token": granted.accessToken,
		"token_type":   "Bearer",
		"expires_in":   int64(granted.lifetime / time.Second),
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       req,
	}, nil
}
