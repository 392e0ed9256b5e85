package wire

import (
	"fmt"
	"testing"
)

var networks = []string{"tcp", "tcp+tls", "memory"}

// BenchmarkCall is goals 1 and 2: a warm call that is authenticated and
// authorized, against the same call without an interceptor.
func BenchmarkCall(b *testing.B) {
	for _, n := range networks {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("net=%s/callers=%d", n, callers), func(b *testing.B) { run(b, n, sideUsher, unary(callers)) })
		}
	}
}

// BenchmarkPeer is the same for others, which authorize nothing.
func BenchmarkPeer(b *testing.B) {
	for _, peer := range []string{sideJWX, sideGolangJWT} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/net=tcp/callers=%d", peer, callers), func(b *testing.B) { run(b, "tcp", peer, unary(callers)) })
		}
	}
}

// BenchmarkStream is goal 8: one long stream of messages.
func BenchmarkStream(b *testing.B) {
	b.Run("check=first", func(b *testing.B) { run(b, "tcp", sideFirst, messages) })
	b.Run("check=each", func(b *testing.B) { run(b, "tcp", sideUsher, messages) })
}
