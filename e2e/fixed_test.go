package e2e

import "context"

// fixed is the token of a client that can't get another one.
type fixed string

func (f fixed) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(f)}, nil
}

func (f fixed) RequireTransportSecurity() bool { return true }
