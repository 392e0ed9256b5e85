// Command quickstart is usher's main job in one process: a real authorization
// server, a real Zanzibar engine, a guarded gRPC service over TLS, and three
// services that call it with automatic tokens. It prints what each call came to
// beside what the model says, and exits 1 if they differ.
//
//	go run .            # the table
//	go run . --audit    # the table, then the audit record of each decision, and the metrics
//	go run . --serve    # the table, then keep the servers up to try by hand
//
// Everything listens on free loopback ports.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// startTimeout bounds the start of all parts, on a slow machine.
const startTimeout = time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(errs)
	serving := flags.Bool("serve", false, "keep the servers running after the table, until interrupted")
	audit := flags.Bool("audit", false, "show the audit record of each decision, and the metrics")
	untilEOF := flags.Bool("until-eof", false, "with --serve: also stop when standard input ends")
	lifetime := flags.Duration("token-lifetime", 0, "how long access tokens live (default 5m)")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || (*untilEOF && !*serving) {
		flags.Usage()
		return 2
	}

	out = &shared{out: out}
	start := time.Now()
	startCtx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	w, err := newWorld(startCtx, worldConfig{tokenLifetime: *lifetime})
	if err != nil {
		fmt.Fprintln(errs, "quickstart:", err)
		return 1
	}
	fmt.Fprintf(out, "authorization server %s, engine %s, document service %s: up in %s\n\n",
		w.issuer.Issuer(), w.engine.Addr(), w.server.addr, milliseconds(time.Since(start)))

	code := 0
	if !explain(out, w, runTable(ctx, out, w)) {
		code = 1
	}
	if *audit {
		if err := w.showWatch(ctx, out); err != nil {
			fmt.Fprintln(errs, "quickstart:", err)
			code = 1
		}
	}
	if *serving {
		if err := serve(ctx, in, out, w, *untilEOF); err != nil {
			fmt.Fprintln(errs, "quickstart:", err)
			code = 1
		}
	}
	if err := w.close(); err != nil {
		fmt.Fprintln(errs, "quickstart: stop:", err)
		code = 1
	}
	return code
}
