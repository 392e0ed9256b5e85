// Package demo runs the quickstart's server and clients in one process, with
// everything that they need around them: an authorization server, an engine with
// relationships in it, certificates, and scripted calls whose outcomes it
// compares with what the model says.
package demo

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"
)

// startTimeout bounds the start of all parts, on a slow machine.
const startTimeout = time.Minute

// Run runs the demo with the arguments of the command line and returns the exit
// code: 1 if a call came to something else than the model says or a part failed,
// 2 if it doesn't know an argument.
func Run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
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
		w.issuer.Issuer(), w.engine.Addr(), w.addr, milliseconds(time.Since(start)))

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
