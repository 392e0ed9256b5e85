package interceptor

import (
	"context"
	"runtime/debug"
)

// hooks calls a user's Observer and keeps its panics away from calls.
type hooks struct {
	observer Observer
}

func (h *hooks) authenticated(ctx context.Context, event Authenticated) {
	if h.observer.Authenticated == nil {
		return
	}
	defer h.contain(ctx, "Authenticated")
	h.observer.Authenticated(ctx, event)
}

func (h *hooks) decided(ctx context.Context, event Decided) {
	if h.observer.Decided == nil {
		return
	}
	defer h.contain(ctx, "Decided")
	h.observer.Decided(ctx, event)
}

func (h *hooks) handlerOverran(ctx context.Context, event HandlerOverran) {
	if h.observer.HandlerOverran == nil {
		return
	}
	defer h.contain(ctx, "HandlerOverran")
	h.observer.HandlerOverran(ctx, event)
}

func (h *hooks) handlerPanicked(ctx context.Context, event HandlerPanicked) {
	if h.observer.HandlerPanicked == nil {
		return
	}
	defer h.contain(ctx, "HandlerPanicked")
	h.observer.HandlerPanicked(ctx, event)
}

// verifierPanicked reports a panic in the verifier.
func (h *hooks) verifierPanicked(ctx context.Context, value any, stack []byte) {
	h.panicked(ctx, "Verifier", value, stack)
}

// contain is deferred around each hook.
func (h *hooks) contain(ctx context.Context, hook string) {
	if value := recover(); value != nil {
		h.panicked(ctx, hook, value, debug.Stack())
	}
}

// panicked reports a panic. A hook that reports panics and panics itself has
// nobody left to tell.
func (h *hooks) panicked(ctx context.Context, hook string, value any, stack []byte) {
	if h.observer.HookPanicked == nil {
		return
	}
	defer func() { _ = recover() }()
	h.observer.HookPanicked(ctx, HookPanicked{Hook: hook, Value: value, Stack: stack})
}
