// Package interceptortest runs a guarded gRPC server in memory, so that a whole
// service is tested with its rules: without an issuer, an engine or a socket.
//
// Calls are made as a chosen principal, and tuples say who may do what. All else
// is as in production: the rules of the .proto, the interceptors, the statuses.
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
// It runs in a testing/synctest bubble, too: tokens expire on the bubble's clock.
package interceptortest
