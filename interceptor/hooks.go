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

func (h *hooks) handlerAbandoned(ctx context.Context, event HandlerAbandoned) {
	if h.observer.HandlerAbandoned == nil {
		return
	}
	defer h.contain(ctx, "HandlerAbandoned")
	h.observer.HandlerAbandoned(ctx, event)
}

func (h *hooks) handlerReturned(ctx context.Context, event HandlerReturned) {
	if h.observer.HandlerReturned == nil {
		return
	}
	defer h.contain(ctx, "HandlerReturned")
	h.observer.HandlerReturned(ctx, event)
}

func (h *hooks) handlerPanicked(ctx context.Context, event HandlerPanicked) {
	if h.observer.HandlerPanicked == nil {
		return
	}
	defer h.contain(ctx, "HandlerPanicked")
	h.observer.HandlerPanicked(ctx, event)
}

// contain is deferred around each hook. A hook that reports panics and panics
// itself has nobody left to tell.
func (h *hooks) contain(ctx context.Context, hook string) {
	value := recover()
	if value == nil || h.observer.HookPanicked == nil {
		return
	}
	stack := debug.Stack()
	defer func() { _ = recover() }()
	h.observer.HookPanicked(ctx, HookPanicked{Hook: hook, Value: value, Stack: stack})
}
