// Package notify calls the functions of observers and contains their panics: a
// faulty metric must not cost a call.
package notify

import "context"

// Call calls f with event, if there is an f. If f panics, Call returns as if it
// had returned, and passes the panic's value to panicked, if there is one. The
// value may hold anything: only its type may be shown.
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

// Contained returns f without its panics, and nil for nil.
func Contained[E any](f func(E)) func(E) {
	if f == nil {
		return nil
	}
	return func(event E) {
		defer contain()
		f(event)
	}
}

// ContainedIn is [Contained] for functions that take the context of a call.
func ContainedIn[E any](f func(context.Context, E)) func(context.Context, E) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, event E) {
		defer contain()
		f(ctx, event)
	}
}

func contain() { _ = recover() }
