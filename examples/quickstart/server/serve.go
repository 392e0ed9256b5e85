package server

import (
	"context"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc"
)

// Ready reports why the issuer's keys or the engine can't be had, and each rule that
// doesn't fit the engine's model. A server that isn't ready refuses calls as
// UNAVAILABLE and tries again.
func (s *Server) Ready(ctx context.Context) error { return s.auth.Ready(ctx, s.grpc) }

// Serve answers calls until ctx ends. Calls under way may then go on for
// StopTimeout. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		timer := time.AfterFunc(s.stopTimeout, s.grpc.Stop) // a stream may never end by itself
		defer timer.Stop()
		s.grpc.GracefulStop()
	})
	err := s.grpc.Serve(listener)
	if stop() {
		s.grpc.Stop() // the listener failed
	} else {
		<-stopped
	}
	if errors.Is(err, grpc.ErrServerStopped) { // ctx had ended before
		return nil
	}
	return err
}

// Close closes what New made. Call it when Serve has returned.
func (s *Server) Close() error { return s.verifier.Close() }
