package interceptor

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// The keys under which other packages look up the values that this package's
// contexts answer themselves or hide. They are private to those packages, and are
// learned from their accessors: nesting a context for each value instead would cost
// each call one allocation for each value. [New] fails if a package doesn't look up
// its value under the key that was learned.
var (
	principalKey = keyOf(findPrincipal)
	sessionKey   = keyOf(findSession)
	transportKey = keyOf(findTransport)
	incomingKey  = keyOf(findIncoming)
	outgoingKey  = keyOf(findOutgoing)
	peerKey      = keyOf(findPeer)
)

// foreignValue is a value that another package keeps in contexts.
type foreignValue struct {
	name string
	// key is the key that was learned.
	key any
	// find calls that package's accessor and returns what it found, nil if nothing.
	find func(context.Context) any
	// put returns a context with a value that was added by that package.
	put func(context.Context) context.Context
	// answering wraps a context in each of this package's contexts that answers for
	// the value itself. If it is nil, they only hide the value.
	answering func(context.Context) []context.Context
}

// foreignValues are all values that this package's contexts answer for or hide.
var foreignValues = []foreignValue{
	{"the principal", principalKey, findPrincipal, func(ctx context.Context) context.Context {
		return verify.NewContext(ctx, new(verify.Principal))
	}, handlersContexts},
	{"the session", sessionKey, findSession, func(ctx context.Context) context.Context {
		return authz.NewContext(ctx, new(authz.Session))
	}, handlersContexts},
	{"the transport stream", transportKey, findTransport, func(ctx context.Context) context.Context {
		return grpc.NewContextWithServerTransportStream(ctx, unaryTransport{ctx})
	}, func(ctx context.Context) []context.Context { return append(handlersContexts(ctx), publicContext{ctx}) }},
	{"incoming metadata", incomingKey, findIncoming, putIncoming, nil},
	{"all incoming metadata", incomingKey, findAllIncoming, putIncoming, nil},
	{"outgoing metadata", outgoingKey, findOutgoing, func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(metadata.NewOutgoingContext(ctx, metadata.Pairs("a", "b")), "c", "d")
	}, nil},
	{"the peer", peerKey, findPeer, func(ctx context.Context) context.Context { return peer.NewContext(ctx, &peer.Peer{}) }, nil},
}

func findPrincipal(ctx context.Context) any { return found(verify.FromContext(ctx)) }
func findSession(ctx context.Context) any   { return found(authz.FromContext(ctx)) }

func findTransport(ctx context.Context) any {
	stream := grpc.ServerTransportStreamFromContext(ctx)

	return found(stream, stream != nil)
}

func findIncoming(ctx context.Context) any {
	values := metadata.ValueFromIncomingContext(ctx, authorizationKey)

	return found(values, len(values) > 0)
}

func findAllIncoming(ctx context.Context) any { return found(metadata.FromIncomingContext(ctx)) }
func findOutgoing(ctx context.Context) any    { return found(metadata.FromOutgoingContext(ctx)) }
func findPeer(ctx context.Context) any        { return found(peer.FromContext(ctx)) }

func found[T any](value T, ok bool) any {
	if !ok {
		return nil
	}

	return value
}

func putIncoming(ctx context.Context) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.Pairs(authorizationKey, "Bearer x"))
}

// handlersContexts returns a context of each kind that the handler of an admitted
// call gets.
func handlersContexts(ctx context.Context) []context.Context {
	call, holding, stream := &callContext{}, &holdingContext{}, &streamContext{stream: &guardedStream{}}
	stream.stream.ctx = stream
	stream.stream.principal.Store(new(verify.Principal))
	call.Context, holding.Context, stream.Context = ctx, ctx, ctx
	for _, c := range []*callContext{call, &holding.callContext, &stream.callContext} {
		c.principal = new(verify.Principal)
		c.session.Store(new(authz.Session))
	}

	return []context.Context{call, holding, stream}
}

// contextFaults returns the faults for which New makes no interceptor: if a package
// looks up its value in another way than the one that was learned, an engine would
// find what has to be hidden from it, or a handler would write past the gate.
func contextFaults() []error {
	var faults []error
	for _, value := range foreignValues {
		if problem := value.fault(); problem != "" {
			faults = append(faults, fmt.Errorf(
				"interceptor: looking for %s in a context, its package %s; use a version of it that this version of usher was made for", value.name, problem))
		}
	}

	return faults
}

// fault returns what is wrong with how the value is looked up; empty if nothing is.
func (v foreignValue) fault() string {
	probe := &keyProbe{Context: context.Background()}
	v.find(probe)
	outer := v.put(context.Background())
	switch {
	case len(probe.keys) != 1:
		return fmt.Sprintf("asks for %d keys instead of one", len(probe.keys))
	case probe.keys[0] != v.key:
		return "asks for another key than before"
	case v.find(outer) == nil:
		return "doesn't find what it has put there"
	case v.find(engineContext{outer}) != nil:
		return "finds it in the engine's context, which hides it"
	case v.answering == nil:
		return ""
	}
	for _, ctx := range v.answering(outer) {
		if got := v.find(ctx); got == nil || got != ctx.Value(v.key) || got == v.find(outer) {
			return fmt.Sprintf("doesn't find that of %T", ctx)
		}
	}

	return ""
}

// keyProbe is a context without values that remembers the keys that it was asked for.
type keyProbe struct {
	context.Context //nolint:containedctx // it is a context

	keys []any
}

// Value implements [context.Context].
func (p *keyProbe) Value(key any) any {
	if !slices.Contains(p.keys, key) {
		p.keys = append(p.keys, key)
	}

	return nil
}

// keyOf returns the one key under which an accessor looks up its value in a context.
// It returns nil, which is no lookup's key, if there is none or more than one.
func keyOf(find func(context.Context) any) any {
	probe := &keyProbe{Context: context.Background()}
	if find(probe); len(probe.keys) != 1 {
		return nil
	}

	return probe.keys[0]
}
