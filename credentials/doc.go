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
// A call that finds a live token costs one atomic load and no allocation, and
// never waits: the token is renewed ahead of its expiry by a fraction of its
// lifetime. Calls that find none share one request, and each leaves at its own
// deadline while the request goes on for the others.
//
// A failure is remembered with exponential backoff and Retry-After (RFC 9110
// §10.2.3), and answers every call until the next attempt is due, so neither a
// crowd nor a gRPC retry policy can multiply requests. While calls fail for want
// of a token there is one attempt in two seconds for the whole process, so that
// recovery takes no longer than that. A client that the server
// rejects is asked about slowly, every 30 seconds to 5 minutes, with the secret
// read again each time. While a token is still valid it is served throughout.
//
// A token goes out over a transport that gives privacy and integrity, or not at
// all; this is checked before a token is fetched. Config.LocalPlaintext and
// Config.InsecureMeshPlaintext are the two exceptions.
//
// # How it fails
//
// Every error is an [*Error] with a gRPC status: UNAVAILABLE when the token
// endpoint can't answer, UNAUTHENTICATED when it rejects the client, INTERNAL for
// a faulty configuration, DEADLINE_EXCEEDED or CANCELED for the caller's own
// context. It holds no secret, token or response body, so it may be returned to
// a caller; what only an operator should read is in its cause (errors.Unwrap).
//
// # Refused tokens
//
// [Credentials.DialOptions] also watches for the challenge error="invalid_token"
// (RFC 6750 §3.1) of a server. It replaces exactly the token that was sent, at
// most once in 30 seconds, and replays a unary call once with the next one. Until
// there is a newer token the refused one goes on being sent: no call fails for
// what another call was told. Don't put UNAUTHENTICATED into a gRPC retry policy:
// a handler can answer that as well, after it did its work.
package credentials
