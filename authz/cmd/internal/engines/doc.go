// Package engines connects to the engine that an operator names on the command line, to
// ask it questions: none of its connections writes anything.
//
//	engine, err := engines.Open("openfga+grpc://fga.internal:8081/01H…", engines.Config{})
//	if err != nil {
//		return err
//	}
//	defer engine.Close()
//	explanation, err := authz.Explain(ctx, engine.Engine, query, authz.Consistency{})
//
// Package dial has the rules of names that are URLs, and of credentials.
package engines
