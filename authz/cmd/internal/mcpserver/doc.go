// Package mcpserver serves usher's tools to assistants that write rules, by the Model
// Context Protocol: lint, matrix, breaking and explain. They read, and change nothing.
//
//	server := mcpserver.New(mcpserver.Config{Inputs: []string{"proto"}, Template: source})
//	if err := server.Run(ctx, &mcp.StdioTransport{}); err != nil {
//		return err
//	}
//
// An assistant is fed by texts that others wrote, so its arguments are untrusted: none of
// them names a host, and files are read from the operator's inputs and import roots alone.
// A draft comes as text and is compiled in memory. Sizes of arguments and results, time and
// the number of calls at once are bounded. An engine is asked only if the operator named
// one, and only by explain.
package mcpserver
