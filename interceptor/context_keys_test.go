package interceptor

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/usher-auth/usher/credentials/verify"
)

// What is held back from callers and hidden from engines rests on these: a gRPC that
// looked elsewhere for its transport would let output pass.
func TestContextKeysAreLearned(t *testing.T) {
	for name, key := range map[string]any{
		"principal": principalKey, "session": sessionKey, "transport": transportKey, "incoming metadata": incomingKey, "outgoing metadata": outgoingKey, "peer": peerKey,
	} {
		if key == nil {
			t.Errorf("the key of the %s is not known", name)
		}
	}
	if faults := contextFaults(); len(faults) > 0 {
		t.Error(faults)
	}
	p, err := verify.NewPrincipal(verify.PrincipalConfig{Claims: map[string]any{"iss": "i", "sub": "alice", "client_id": "app"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := &callContext{Context: context.Background(), principal: p}
	if got, ok := verify.FromContext(ctx); !ok || got != p {
		t.Error("verify doesn't find its principal")
	}
	if _, ok := grpc.ServerTransportStreamFromContext(ctx).(unaryTransport); !ok {
		t.Error("gRPC doesn't find the wrapped transport")
	}
}

// Keys of a gRPC of the future.
type (
	newKey   struct{}
	otherKey struct{}
)

// A package that changes how it looks up its value makes every interceptor an error,
// instead of one that doesn't hold or hide.
func TestContextLookupsThatChangeAreFaults(t *testing.T) {
	from := func(key any) func(context.Context) any {
		return func(ctx context.Context) any { return ctx.Value(key) }
	}
	under := func(keys ...any) func(context.Context) context.Context {
		return func(ctx context.Context) context.Context {
			for _, key := range keys {
				ctx = context.WithValue(ctx, key, "a value") //nolint:fatcontext // there are two keys at most
			}

			return ctx
		}
	}
	type own struct{ grpc.ServerTransportStream }
	for name, c := range map[string]struct {
		find    func(context.Context) any
		put     func(context.Context) context.Context
		learned bool // from this accessor, when the program started
		answers bool
		want    string
	}{
		"as before": {from(transportKey), under(transportKey), true, true, ""},
		"no key":    {func(context.Context) any { return "constant" }, under(), true, false, "asks for 0 keys"},
		"two keys":  {func(ctx context.Context) any { return found(ctx.Value(newKey{}), ctx.Value(transportKey) == nil) }, under(newKey{}, transportKey), true, true, "asks for 2 keys"},
		"a second key where the first has nothing": {func(ctx context.Context) any {
			if value := ctx.Value(transportKey); value != nil {
				return value
			}

			return ctx.Value(otherKey{})
		}, under(transportKey), true, true, "asks for 2 keys"},
		"another key":                        {from(newKey{}), under(newKey{}), false, true, "asks for another key"},
		"a key that no context of ours has":  {from(newKey{}), under(newKey{}), true, true, "finds it in the engine's context"},
		"another place than where it is put": {from(transportKey), under(newKey{}), false, true, "doesn't find what it has put there"},
		"a type of its own": {func(ctx context.Context) any {
			switch value := ctx.Value(transportKey).(type) {
			case string, own:
				return value
			default:
				return nil
			}
		}, under(transportKey), true, true, "doesn't find that of"},
		"past our contexts": {func(ctx context.Context) any {
			if _, hidden := ctx.(engineContext); hidden || ctx.Value(transportKey) == nil {
				return nil
			}

			return "a value"
		}, under(transportKey), true, true, "doesn't find that of"},
	} {
		t.Run(name, func(t *testing.T) {
			value := foreignValue{name: "it", key: transportKey, find: c.find, put: c.put}
			if c.learned {
				value.key = keyOf(c.find)
			}
			if c.answers {
				value.answering = handlersContexts
			}
			if got := value.fault(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			defer func(before []foreignValue) { foreignValues = before }(foreignValues)
			foreignValues = append(slices.Clip(foreignValues), value)
			_, err := New(Config{})
			if said := err != nil && strings.Contains(err.Error(), "looking for it in a context"); said != (c.want != "") {
				t.Errorf("New: %v", err)
			}
		})
	}
}
