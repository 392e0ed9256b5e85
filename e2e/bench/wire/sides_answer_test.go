package wire

import (
	"context"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// TestSides shows that each measured side does its work: the sides without an
// interceptor admit every caller, the others only the bearer, and usher only where
// the relation holds.
func TestSides(t *testing.T) {
	for _, networkName := range networks {
		n, token := open(t, networkName)
		for _, name := range sideNames {
			t.Run(networkName+"/"+name, func(t *testing.T) {
				conn, err := n.dial(name)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				client := testpb.NewTestServiceClient(conn)
				ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
				defer cancel()
				bearer := metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
				unguarded, authorizes := name == sideBase || name == sideControl, name == sideUsher || name == sideFirst
				for _, c := range []struct {
					name  string
					ctx   context.Context
					value string
					want  codes.Code
				}{
					{"the bearer", bearer, document, codes.OK},
					{"no bearer", ctx, document, pick(unguarded, codes.OK, codes.Unauthenticated)},
					{"another token", metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token+"x"), document, pick(unguarded, codes.OK, codes.Unauthenticated)},
					{"a document of somebody else", bearer, "2", pick(authorizes, codes.PermissionDenied, codes.OK)},
				} {
					_, err := client.Ping(c.ctx, &testpb.PingRequest{Value: c.value})
					if status.Code(err) != c.want {
						t.Errorf("%s: %v, not %v", c.name, err, c.want)
					}
				}
				if sent, err := messages(bearer, conn, windowLength(t)/100); err != nil || sent == 0 {
					t.Errorf("a stream: %d messages, %v", sent, err)
				}
			})
		}
	}
}

func pick(is bool, yes, no codes.Code) codes.Code {
	if is {
		return yes
	}
	return no
}
