// Package interceptor guards a gRPC server: it takes the caller's bearer token,
// verifies it, decides by the method's rule, and only then lets the handler see
// the call. Unary calls and streams of every kind are guarded by the same value.
//
//	authorizer, err := authz.New(authz.Config{
//		Engine:   engine,
//		Issuers:  verifier,
//		Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
//		Rules:    []authz.MethodRule{authz.Health(), authz.Reflection()},
//	})
//	auth, err := interceptor.New(interceptor.Config{Verifier: verifier, Authorizer: authorizer})
//	srv := grpc.NewServer(auth.ServerOptions()...)
//	docsv1.RegisterDocumentServiceServer(srv, impl)
//	err = auth.ValidateServer(srv) // every fault of every registered method's rule
//
// In a handler, [verify.FromContext] gives the principal, [authz.FromContext] the
// decision, and [authz.CheckFromContext] asks about further objects.
//
// # Guarantees
//
// It fails closed. A method without a rule, an unknown method, a rule with a
// fault, an answer that isn't a clear yes: denied. A verifier or an engine that
// can't answer is UNAVAILABLE, never a grant and never a denial. There is no
// setting that opens.
//
// What the caller is told is constant text and a stable [authz.Reason] in an ErrorInfo;
// the cause goes to the [Observer] only. A refusal for the token carries a
// challenge in the trailer "www-authenticate" (RFC 6750, RFC 9470); a handler can
// send none for the scheme Bearer, such as one that it got from a service behind
// it: the client would replace its token, and call again.
//
// Where the rule hides existence, a denial and the handler's own NOT_FOUND are the
// same bytes on the wire. Where the handler decides, nothing that it says reaches
// the caller before a check of its own was granted, but its error's status. An
// answer without content, an empty message or a stream without one, may also
// follow a filter that left nothing; a handler that needs no check for its answer
// says so with [authz.EmptyFromContext]. In both cases the header waits for the
// first message or the call's end, and the trailer for the end: grpc.SendHeader
// sends nothing by itself.
//
// A verifier that panics refuses its call with [authz.ReasonMisconfigured], and no other.
//
// # Streams
//
// Where the rule reads no message, a stream is decided before its handler runs.
// Otherwise nothing that the handler says, neither message nor header nor
// trailer nor status, reaches the caller before the first message is authorized,
// and each later message is authorized before the handler sees it. A refusal
// ends the call for good. So does the end of the token: the caller gets its
// status at once, and the handler a canceled context and failing stream calls.
//
// A stream's handler runs in a goroutine of its own. One that ignores both its
// context and its stream's errors outlives the call: Observer.HandlerOverran
// tells of it, and GracefulStop doesn't wait for it.
//
// # Order
//
// Put logging first, then recovery, then usher: what usher refuses is logged
// with its code, a panic of a handler reaches the recovery, and interceptors
// after usher run for admitted calls only. grpc.SetHeader, SendHeader and
// SetTrailer work in handlers as ever; for grpc.SetSendCompressor and
// ClientSupportedCompressors use those of this package.
//
// Under grpc-go's ServeHTTP the challenge is lost: net/http sends no trailer of
// that name. The status and its details say the same.
package interceptor
