package interceptor

import (
	"context"
	"runtime/debug"

	"github.com/usher-auth/usher/internal/notify"
)

// hooks calls an Observer's functions, and recovers from their panics.
type hooks struct {
	observer Observer
}

func (h *hooks) authenticated(ctx context.Context, event Authenticated) {
	tell(ctx, h, "Authenticated", h.observer.Authenticated, event)
}

func (h *hooks) decided(ctx context.Context, event Decided) {
	tell(ctx, h, "Decided", h.observer.Decided, event)
}

func (h *hooks) handlerOverran(ctx context.Context, event HandlerOverran) {
	tell(ctx, h, "HandlerOverran", h.observer.HandlerOverran, event)
}

func (h *hooks) handlerPanicked(ctx context.Context, event HandlerPanicked) {
	tell(ctx, h, "HandlerPanicked", h.observer.HandlerPanicked, event)
}

// verifierPanicked reports a panic in the verifier.
func (h *hooks) verifierPanicked(ctx context.Context, value any, stack []byte) {
	h.panicked(ctx, "Verifier", value, stack)
}

// tell calls the hook of that name, if there is one, and reports its panic.
func tell[E any](ctx context.Context, h *hooks, hook string, f func(context.Context, E), event E) {
	notify.CallIn(ctx, f, event, func(value any) { h.panicked(ctx, hook, value, debug.Stack()) })
}

// panicked reports a panic. A panic of HookPanicked itself is dropped.
func (h *hooks) panicked(ctx context.Context, hook string, value any, stack []byte) {
	notify.CallIn(ctx, h.observer.HookPanicked, HookPanicked{Hook: hook, Value: value, Stack: stack}, nil)
}
