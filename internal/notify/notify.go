// Package notify calls the functions of observers and contains their panics: a
// faulty metric must not cost a call.
package notify

import "context"

// Call calls f with event, if there is an f. If f panics, Call returns as if it
// had returned, and passes the panic's value to panicked, if there is one, which
// runs while the stack still shows where the panic came from. The value may hold
// anything: only its type may be shown.
func Call[E any](f func(E), event E, panicked func(value any)) {
	if f == nil {
		return
	}
	defer func() {
		if value := recover(); value != nil && panicked != nil {
			panicked(value)
		}
	}()
	f(event)
}

// CallIn is [Call] for functions that take the context of a call.
func CallIn[E any](ctx context.Context, f func(context.Context, E), event E, panicked func(value any)) {
	if f == nil {
		return
	}
	defer func() {
		if value := recover(); value != nil && panicked != nil {
			panicked(value)
		}
	}()
	f(ctx, event)
}

// Contained returns a function that calls f and recovers its panics, or nil if
// f is nil.
func Contained[E any](f func(E)) func(E) {
	if f == nil {
		return nil
	}
	return func(event E) { Call(f, event, nil) }
}

// ContainedIn is [Contained] for functions that take the context of a call.
func ContainedIn[E any](f func(context.Context, E)) func(context.Context, E) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, event E) { CallIn(ctx, f, event, nil) }
}
