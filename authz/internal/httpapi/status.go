package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/usher-auth/usher/authz"
)

// StatusError is the error for an answer whose status is not 200. Its body was not
// read.
type StatusError struct {
	// Engine is the adapter's package.
	Engine string
	// Status is the HTTP status.
	Status int
}

// Error returns a text with the engine and the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: HTTP %d %s", e.Engine, e.Status, http.StatusText(e.Status))
}

// KindOf returns the kind of error for a status. A redirect, a 204, and any other
// status that is no refusal mean that the engine doesn't work.
func KindOf(code int) authz.EngineErrorKind {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return authz.EngineRefused
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return authz.EngineUnavailable
	}
	if code >= http.StatusBadRequest && code < http.StatusInternalServerError || code == http.StatusNotImplemented {
		return authz.EngineMisconfigured
	}

	return authz.EngineUnavailable
}

// StatusOf reads an HTTP status from an answer: a whole number from 100 to
// 599, as a number or as text. Anything else is zero.
func StatusOf(v any) int {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	code, err := strconv.Atoi(text)
	if err != nil || code < 100 || code > 599 {
		return 0
	}

	return code
}

// Fault returns the error in an answer with the status 200: an error or errors
// beside any verdict, or a status of failure. It is nil if the answer has none;
// an error that is null or false is none. Only a status in the answer determines
// the error's kind.
func (c *Client) Fault(object map[string]any) error {
	described := object["error"]
	several, listed := object["errors"].([]any)
	code := StatusOf(object["status"])
	if (described == nil || described == false) && (object["errors"] == nil || listed && len(several) == 0) && code < http.StatusBadRequest {
		return nil
	}
	if inner, ok := described.(map[string]any); ok && code < http.StatusBadRequest {
		code = StatusOf(inner["status"])
	}
	if code < http.StatusBadRequest {
		return c.Unusable(errors.New("an error under a 200"))
	}

	return &authz.EngineError{Kind: KindOf(code), Err: &StatusError{Engine: c.name + ": under a 200", Status: code}}
}
