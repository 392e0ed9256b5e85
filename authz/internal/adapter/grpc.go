package adapter

import (
	"context"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/usher-auth/usher/internal/retryafter"
)

// PresharedKey is a key that an engine takes as a bearer token, as call
// credentials that need transport security. Logs show the name in place of the key.
func PresharedKey(name, key string) credentials.PerRPCCredentials {
	return &presharedKey{name, map[string]string{"authorization": "Bearer " + key}}
}

type presharedKey struct {
	name     string
	metadata map[string]string
}

func (k *presharedKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return k.metadata, nil
}

func (k *presharedKey) RequireTransportSecurity() bool { return true }

// String hides the key from a log of dial options.
func (k *presharedKey) String() string { return k.name }

// GoString hides the key from %#v.
func (k *presharedKey) GoString() string { return k.name }

// RetryAfter returns the wait that an engine asked for, bounded. It is zero if the
// engine asked for none, or for a duration that isn't valid.
func RetryAfter(info *errdetails.RetryInfo) time.Duration {
	return retryafter.Bounded(info.GetRetryDelay().AsDuration(), retryafter.MaxEngine)
}

// WithoutOutgoing returns ctx without outgoing metadata, so that the metadata that a
// handler set for another service, such as a token, isn't sent to the engine.
func WithoutOutgoing(ctx context.Context) context.Context {
	if _, ok := metadata.FromOutgoingContext(ctx); !ok {
		return ctx
	}

	return metadata.NewOutgoingContext(ctx, nil)
}
