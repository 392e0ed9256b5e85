// Command quickstart runs the document service, three services that call it, an
// authorization server and a Zanzibar engine in one process. It prints what
// each call came to beside what the model says, and exits 1 if they differ.
//
//	go run .            # the table
//	go run . --audit    # the table, then the audit record of each decision, and the metrics
//	go run . --serve    # the table, then keep the servers up to try by hand
//
// Everything listens on free loopback ports. To write a server or a client of
// your own, copy packages server and client; everything else that the demo needs
// is in package demo.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/usher-auth/usher/examples/quickstart/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := demo.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
