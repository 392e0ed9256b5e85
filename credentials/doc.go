// Package credentials gives gRPC clients OAuth 2.0 service tokens: it fetches
// them by the client_credentials grant (RFC 6749 §4.4), keeps them fresh in the
// background, and attaches them to every call.
//
//	creds, err := credentials.New(credentials.Config{
//		TokenURL: "https://auth.example.com/oauth/token",
//		ClientID: "docs-sync",
//		Auth:     clientauth.SecretBasic(clientauth.File("/var/run/secrets/docs-sync")),
//	})
//	if err != nil {
//		return err
//	}
//	defer creds.Close()
//	docs := creds.For(credentials.Target{Resources: []string{"https://docs.internal"}})
//	conn, err := grpc.NewClient(target, append(docs.DialOptions(), grpc.WithTransportCredentials(tlsCreds))...)
//
// # What it guarantees
//
// A call that finds a live token takes it without a lock or an allocation and
// never waits: the token is renewed ahead of its expiry, by a fraction of its
// lifetime. Calls that find no token share one request. Each of them returns at
// its own deadline, while the request goes on for the others.
//
// A failure is remembered with exponential backoff and Retry-After (RFC 9110
// §10.2.3), and answers every call until the next attempt is due, so neither
// many concurrent calls nor a gRPC retry policy can multiply requests. While
// calls fail for lack of a token, all credentials of one [New] together make an
// attempt every two seconds, so that they recover within that time. A client
// that the server rejects tries again only every 30 seconds to 5 minutes, and
// reads its secret again each time. A token that is still valid is served
// throughout.
//
// A token is sent only over a transport that provides privacy and integrity;
// this is checked before a token is fetched. Config.LocalPlaintext and
// Config.InsecureMeshPlaintext are the two exceptions.
//
// # How it fails
//
// Every error is an [*Error] with a gRPC status: UNAVAILABLE when the token
// endpoint can't answer, UNAUTHENTICATED when it rejects the client or when the
// connection doesn't protect a token, INTERNAL for a faulty configuration,
// DEADLINE_EXCEEDED or CANCELED for the caller's own context. It holds no
// secret, token or response body, so it may be returned to a caller. Details
// for the operator are in its cause (errors.Unwrap).
//
// # Refused tokens
//
// [Credentials.DialOptions] also watches for the challenge
// error="invalid_token" (RFC 6750 §3.1) of a server. It replaces exactly the
// token that was sent, at most once in 30 seconds, and replays a unary call
// once with the new token. Until there is a newer token the refused one is
// still sent, so that a server's refusal of one call doesn't fail other calls.
// Don't put UNAUTHENTICATED into a gRPC retry policy: a handler can return that
// code as well, after it has done its work.
package credentials
