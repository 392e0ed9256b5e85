// Package interceptor guards a gRPC server: it takes the caller's bearer token,
// verifies it, decides by the method's rule, and only then lets the handler see
// the call. The same [Interceptor] guards unary calls and streams of every kind.
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
//	err = auth.Ready(ctx, srv)     // optional: also keys, engines, and the engine's schema
//
// In a handler, [verify.FromContext] returns the principal, [authz.FromContext] the
// call's session with the rule's decision, and [authz.CheckFromContext] checks
// further objects.
//
// # Guarantees
//
// It fails closed. A call is denied if its method has no rule, is unknown or has a
// faulty rule, or if the engine's answer isn't a clear yes. If the verifier or the
// engine can't answer, the call is UNAVAILABLE: neither granted nor denied. No
// setting changes that.
//
// The caller is told constant text and a stable [authz.Reason] in an ErrorInfo;
// the cause goes to the [Observer] only. A call that is refused because of its
// token gets a challenge in the trailer "www-authenticate" (RFC 6750, RFC 9470). A
// handler can't send a challenge for the scheme Bearer, such as one from a service
// that it called: the client would replace its token, and call again.
//
// Where the rule hides existence, a denial and the handler's own NOT_FOUND are the
// same bytes on the wire. Where the handler decides, its caller receives nothing
// except an error's status before one of the handler's own checks is granted. An
// answer without content, which is an empty message or a stream without messages,
// may also follow a filter that left nothing; a handler whose answer needs no check
// calls [authz.EmptyFromContext]. In both cases the header is sent with the first
// message or at the call's end, and the trailer at the end: grpc.SendHeader alone
// sends nothing.
//
// A panic in the verifier refuses only the call that it happened in, with
// [authz.ReasonMisconfigured].
//
// # Streams
//
// If the rule reads no message, a stream is decided before its handler runs.
// Otherwise nothing from the handler, neither message nor header nor trailer nor
// status, reaches the caller before the first message is authorized, and each
// later message is authorized before the handler sees it. A refusal ends the
// call for good. So does the end of the token: the caller gets its status at once,
// the handler's context is canceled, and its calls on the stream fail.
//
// A stream's handler runs in a goroutine of its own. A handler that ignores both
// its context and its stream's errors outlives the call: Observer.HandlerOverran
// reports it, and GracefulStop doesn't wait for it.
//
// # Order
//
// Put logging first, then recovery, then usher: refusals are then logged with
// their code, a panic in a handler reaches the recovery, and interceptors after
// usher run for admitted calls only. An interceptor that finds the caller's address
// for Config.PeerIP comes before usher. grpc.SetHeader, SendHeader and SetTrailer work
// in handlers as usual; instead of grpc.SetSendCompressor and
// grpc.ClientSupportedCompressors use [SetSendCompressor] and
// [ClientSupportedCompressors].
//
// Under grpc-go's ServeHTTP the challenge is lost, because net/http sends no
// trailer of that name. The status and its details still tell the reason.
package interceptor
