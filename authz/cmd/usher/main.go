// Command usher reviews the rules of gRPC services before they run: it finds mistakes in
// them, names those that became looser, and shows who may call what.
//
//	usher lint proto
//	usher breaking --against main.binpb proto
//	usher matrix --format html -o matrix.html proto
//
// The flags of each command are shown by "usher help COMMAND", and the README of this
// module has recipes for CI.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/usher-auth/usher/authz/cmd/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, cli.Commands()...)
	stop()
	os.Exit(code)
}
