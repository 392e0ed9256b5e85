package adapter

import (
	"errors"

	"github.com/usher-auth/usher/authz"
)

// EngineError returns an error as an *authz.EngineError: itself if it is one, and else one
// that says that the engine is unavailable.
func EngineError(err error) error {
	var engineErr *authz.EngineError
	if err == nil || errors.As(err, &engineErr) && engineErr != nil {
		return err
	}

	return &authz.EngineError{Kind: authz.EngineUnavailable, Err: err}
}
