// Package e2e proves the whole chain on real parts: a real authorization
// server, a real engine, gRPC over TLS, and clients in more than one language.
// It has tests only: `make e2e` runs them.
package e2e
