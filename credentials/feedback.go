package credentials

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// DialOptions attaches the credentials to a client and lets servers' refusals
// reach them: when a call ends with UNAUTHENTICATED and the challenge
// error="invalid_token" (RFC 6750 §3.1) in its www-authenticate trailer, the
// token that it carried is dropped, and a unary call is replayed once if there
// is another token by then. Streams aren't replayed: messages may be lost or
// doubled. An UNAUTHENTICATED without that challenge changes nothing.
//
// Transport credentials must be given beside them. Interceptors that are chained
// before these options see one call, those behind see the replay, too.
func (c *Credentials) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithPerRPCCredentials(c),
		grpc.WithChainUnaryInterceptor(c.unary),
		grpc.WithChainStreamInterceptor(c.stream),
	}
}

// call is the context of one call, and remembers which token it carried.
type call struct {
	context.Context //nolint:containedctx // it is a context, with one value more

	creds    *Credentials
	override *override
	trailer  metadata.MD

	mu        sync.Mutex
	token     *token
	authority string
}

func (c *Credentials) newCall(ctx context.Context) *call {
	_, override := callOf(ctx)
	return &call{Context: ctx, creds: c, override: override}
}

// Value implements context.Context.
func (r *call) Value(key any) any {
	if key == (contextKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// sent notes the token of an attempt. gRPC may make several; the last one's
// outcome is the call's.
func (r *call) sent(tok *token, uri []string) {
	r.mu.Lock()
	r.token = tok
	if len(uri) > 0 {
		r.authority = uri[0]
	}
	r.mu.Unlock()
}

// refused drops the token that the call carried if the server found it invalid,
// and returns it.
func (r *call) refused(err error) *token {
	if status.Code(err) != codes.Unauthenticated || !hasInvalidToken(r.trailer.Get("www-authenticate")) {
		return nil
	}
	r.mu.Lock()
	tok, authority := r.token, authorityOf([]string{r.authority})
	r.mu.Unlock()
	if tok == nil {
		return nil // WithToken's, or none was sent
	}
	// A second authorization value beside ours: which one was refused is
	// anyone's guess.
	if md, ok := metadata.FromOutgoingContext(r.Context); ok && len(md.Get("authorization")) > 0 {
		return nil
	}
	r.creds.s.challenged(tok, authority)
	return tok
}

func (c *Credentials) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	record := c.newCall(ctx)
	err := invoker(record, method, req, reply, cc, withTrailer(opts, record)...)
	if err == nil {
		return nil
	}
	refused := record.refused(err)
	if refused == nil {
		return err
	}
	next, fetchErr := c.token(ctx)
	if fetchErr != nil || next == refused {
		return err // the server's answer says more than ours
	}
	record = c.newCall(ctx)
	err = invoker(record, method, req, reply, cc, withTrailer(opts, record)...)
	if err != nil {
		record.refused(err)
	}
	return err
}

func (c *Credentials) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	record := c.newCall(ctx)
	// gRPC fills in the trailer before it calls OnFinish.
	opts = append(withTrailer(opts, record), grpc.OnFinish(func(err error) {
		if err != nil {
			record.refused(err)
		}
	}))
	return streamer(record, desc, cc, method, opts...)
}

// withTrailer never writes into a caller's array.
func withTrailer(opts []grpc.CallOption, record *call) []grpc.CallOption {
	return append(slices.Clip(opts), grpc.Trailer(&record.trailer))
}
