// Package explain tells an operator why a call passes or not: what the rule says, what each
// part of it comes to, what the engine is asked and how it comes to its answer, and what
// the caller is told.
//
//	result, err := explain.Call(ctx, explain.Config{Source: source, Engine: engine}, explain.Request{
//		Method: "docs.v1.DocumentService/GetDocument",
//		Caller: explain.Caller{As: "user:alice"}, Message: []byte(`{"document_id":"1"}`),
//	})
//	if err != nil {
//		return err
//	}
//	result.WriteText(os.Stdout)
//
// The decision is that of the authorizer that servers use, with an engine between that
// only records, so it is never another one than a server makes with the same rules,
// configuration and engine.
package explain
