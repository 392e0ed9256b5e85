package interceptor

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// errCompressor is returned for a compressor that can't be used for the answer.
var errCompressor = errors.New("interceptor: the compressor isn't registered, or the caller doesn't support it")

// SetSendCompressor is grpc.SetSendCompressor for a handler's context. The function
// of package grpc needs gRPC's own transport stream, and a guarded call's is wrapped.
// The choice takes effect when the handler's header is sent, since the header names
// the compressor.
func SetSendCompressor(ctx context.Context, name string) error {
	if holder, ok := ctx.Value(compressorKey{}).(compressorHolder); ok {
		return holder.setSendCompressor(name)
	}

	return grpc.SetSendCompressor(beneath(ctx), name)
}

// ClientSupportedCompressors is grpc.ClientSupportedCompressors for a handler's
// context, for the same reason as [SetSendCompressor].
func ClientSupportedCompressors(ctx context.Context) ([]string, error) {
	return grpc.ClientSupportedCompressors(beneath(ctx))
}

// beneathKey is the key under which a handler's context returns the context that it
// was made from.
type beneathKey struct{}

func beneath(ctx context.Context) context.Context {
	if inner, ok := ctx.Value(beneathKey{}).(context.Context); ok {
		return inner
	}

	return ctx
}

// compressorHolder holds a handler's choice of a compressor.
type compressorHolder interface{ setSendCompressor(name string) error }

// compressorKey is the key under which a handler's context returns its
// compressorHolder.
type compressorKey struct{}

// usable returns the error with which grpc.SetSendCompressor would refuse the
// compressor, or nil. SetSendCompressor itself can be called only once.
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
