// Package interceptortest runs a guarded gRPC server in memory, to test a whole
// service with its rules without an issuer, an engine or a socket.
//
// Calls are made as a chosen principal, and tuples define who may do what.
// Everything else is as in production: the rules of the .proto, the interceptors,
// the statuses.
//
//	srv := interceptortest.New(t, interceptortest.Config{
//		Register: func(s grpc.ServiceRegistrar) { docsv1.RegisterDocumentServiceServer(s, &impl{}) },
//		Tuples:   []string{"document:1#viewer@user:alice"},
//	})
//	alice := docsv1.NewDocumentServiceClient(srv.As(authztest.User("alice")))
//	bob := docsv1.NewDocumentServiceClient(srv.As(authztest.User("bob")))
//	_, err := alice.GetDocument(ctx, &docsv1.GetDocumentRequest{DocumentId: "1"}) // granted
//	_, err = bob.GetDocument(ctx, &docsv1.GetDocumentRequest{DocumentId: "1"})    // PERMISSION_DENIED
//
// [Lock] keeps the rules that a server enforces in a committed file, so that none changes
// without review.
//
// A server also runs in a testing/synctest bubble: tokens expire by its clock.
package interceptortest
