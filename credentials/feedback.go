package credentials

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// DialOptions returns the options that attach the credentials to a client and
// let them see how servers judge their tokens. When a call ends with
// UNAUTHENTICATED and the challenge error="invalid_token" (RFC 6750 §3.1) in
// its www-authenticate trailer, its token is replaced, at most once in 30 s (in
// 2 min while the new tokens are refused, too). A unary call waits for that one
// refresh within its own deadline, and is replayed once if there is another
// token by then. Streams aren't replayed, since messages could be lost or
// duplicated. An UNAUTHENTICATED without that challenge changes nothing, and
// neither does one for a call that carried a second authorization value.
//
// Until there is a newer token the refused one is still sent, and each call
// gets its own server's answer: one faulty replica of ten fails a tenth of the
// calls. The previous token is kept until a server has accepted the newer one,
// and is used if the newer one is refused first.
//
// Transport credentials must be given as well. Interceptors that are chained
// before these options see one call; those chained after them see the replay,
// too.
func (c *Credentials) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithPerRPCCredentials(c),
		grpc.WithChainUnaryInterceptor(c.unary),
		grpc.WithChainStreamInterceptor(c.stream),
	}
}

// call is the context of one call. It records which token the call carried.
type call struct {
	context.Context //nolint:containedctx // it is a context with one more value

	creds    *Credentials
	override *override
	trailer  metadata.MD
	// pinned is the token that a replay must carry.
	pinned *token

	mu    sync.Mutex
	token *token
	// outgoing is the context that gRPC sends the call with: later interceptors
	// may have added metadata.
	outgoing context.Context //nolint:containedctx // read when the call has ended
	// second reports whether another credential added an authorization value.
	second bool
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

// sent records the token of an attempt and returns it; for a replay that is the
// pinned token. gRPC may make several attempts; the outcome of the last one is
// the call's.
func (r *call) sent(ctx context.Context, tok *token) *token {
	if r.pinned != nil {
		tok = r.pinned
	}
	r.mu.Lock()
	r.token, r.outgoing = tok, ctx
	r.mu.Unlock()
	return tok
}

// carried returns the token that the call was sent with, or nil if it was sent
// with the token of WithToken or without one.
func (r *call) carried() *token {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.token
}

// ambiguous reports whether the call carried a second authorization value, so
// that it is unknown which of the two was refused.
func (r *call) ambiguous() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	md, ok := metadata.FromOutgoingContext(r.outgoing)
	return r.second || ok && len(md.Get("authorization")) > 0
}

// accepted reports to the credentials that the server accepted the token.
func (r *call) accepted() {
	if tok := r.carried(); tok != nil {
		r.creds.s.accepted(tok)
	}
}

// refused reports to the credentials that the server found the token invalid,
// and returns the token. It returns nil if err isn't such a refusal.
func (r *call) refused(err error) *token {
	if status.Code(err) != codes.Unauthenticated || !hasInvalidToken(r.trailer.Get("www-authenticate")) {
		return nil
	}
	tok := r.carried()
	if tok == nil || r.ambiguous() {
		return nil
	}
	r.creds.s.refused(tok.value, ReasonChallenge)
	return tok
}

func (c *Credentials) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	record := c.newCall(ctx)
	err := invoker(record, method, req, reply, cc, record.watch(opts)...)
	if err == nil {
		record.accepted()
		return nil
	}
	refused := record.refused(err)
	if refused == nil {
		return err
	}
	next := c.s.next(ctx, refused)
	if next == nil {
		return err // the server's answer is more specific than ours
	}
	record = c.newCall(ctx)
	record.pinned = next
	err = invoker(record, method, req, reply, cc, record.watch(opts)...)
	if err == nil {
		record.accepted()
		return nil
	}
	record.refused(err)
	return err
}

func (c *Credentials) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	_, override := callOf(ctx)
	s := &streamCall{record: call{Context: ctx, creds: c, override: override}}
	record := &s.record
	// gRPC fills in the trailer before it calls OnFinish.
	opts = append(record.watch(opts), grpc.OnFinish(func(err error) {
		if err == nil {
			record.accepted()
			return
		}
		record.refused(err)
	}))
	stream, err := streamer(record, desc, cc, method, opts...)
	if err != nil {
		return nil, err
	}
	s.ClientStream = stream
	return s, nil
}

// streamCall is a stream. Its first received message shows that the server
// accepted the token: many streams end only when the caller ends them.
type streamCall struct {
	grpc.ClientStream

	record   call
	received bool
}

// RecvMsg implements grpc.ClientStream.
func (s *streamCall) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil && !s.received {
		s.received = true
		s.record.accepted()
	}
	return err
}

// watch adds to a call's options what the record needs. It never writes into a
// caller's array.
func (r *call) watch(opts []grpc.CallOption) []grpc.CallOption {
	opts = append(slices.Clip(opts), grpc.Trailer(&r.trailer))
	for i, opt := range opts {
		if other, ok := opt.(grpc.PerRPCCredsCallOption); ok && other.Creds != nil {
			opts[i] = grpc.PerRPCCredentials(&otherCredentials{PerRPCCredentials: other.Creds, record: r})
		}
	}
	return opts
}

// otherCredentials wraps credentials that a call option adds, and records
// whether they send an authorization value.
type otherCredentials struct {
	grpccredentials.PerRPCCredentials

	record *call
}

// GetRequestMetadata implements PerRPCCredentials.
func (o *otherCredentials) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	md, err := o.PerRPCCredentials.GetRequestMetadata(ctx, uri...)
	for name := range maps.Keys(md) {
		if strings.EqualFold(name, "authorization") {
			o.record.mu.Lock()
			o.record.second = true
			o.record.mu.Unlock()
		}
	}
	return md, err
}
