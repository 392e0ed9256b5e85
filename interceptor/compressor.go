package interceptor

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// errCompressor is a compressor that answers can't have.
var errCompressor = errors.New("interceptor: the compressor isn't registered, or the caller doesn't support it")

// SetSendCompressor is grpc.SetSendCompressor for a handler's context: that one
// wants gRPC's own transport stream, and a guarded call's is wrapped. The choice is
// held for as long as the handler's header is, which tells it.
func SetSendCompressor(ctx context.Context, name string) error {
	if holder, ok := ctx.Value(compressorKey{}).(compressorHolder); ok {
		return holder.setSendCompressor(name)
	}

	return grpc.SetSendCompressor(beneath(ctx), name)
}

// ClientSupportedCompressors is grpc.ClientSupportedCompressors for a handler's
// context, for the same reason.
func ClientSupportedCompressors(ctx context.Context) ([]string, error) {
	return grpc.ClientSupportedCompressors(beneath(ctx))
}

// beneathKey asks a handler's context for the one that it was made from.
type beneathKey struct{}

func beneath(ctx context.Context) context.Context {
	if inner, ok := ctx.Value(beneathKey{}).(context.Context); ok {
		return inner
	}

	return ctx
}

// compressorHolder holds a handler's choice of a compressor.
type compressorHolder interface{ setSendCompressor(name string) error }

// compressorKey asks a handler's context for its compressorHolder.
type compressorKey struct{}

// usable returns why grpc.SetSendCompressor would refuse the compressor, which it
// can be asked only once.
func usable(ctx context.Context, name string) error {
	names, err := grpc.ClientSupportedCompressors(ctx)
	switch {
	case err != nil:
		return err
	case name == encoding.Identity, encoding.GetCompressor(name) != nil && slices.Contains(names, name):
		return nil
	default:
		return errCompressor
	}
}
