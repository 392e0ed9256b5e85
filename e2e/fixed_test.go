package e2e

import "context"

// fixed is a token in the hands of somebody who can't get another one.
type fixed string

func (f fixed) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(f)}, nil
}

func (f fixed) RequireTransportSecurity() bool { return true }
