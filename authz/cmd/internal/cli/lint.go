package cli

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/usher-auth/usher/authz/cmd/internal/ids"
	"github.com/usher-auth/usher/authz/cmd/internal/report"
	"github.com/usher-auth/usher/authz/lint"
)

const lintSynopsis = `Usage: usher lint [flags] INPUT...

Finds mistakes in the rules of services. "usher help ids" lists what is judged.
Exit codes: 0 nothing found, 1 findings, 2 wrong flags or input.
`

// Lint is the subcommand lint.
func Lint(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("lint", flag.ContinueOnError)
	var c common
	c.register(flags)
	var except list
	flags.Var(&except, "except", "leave out findings of `IDS`, with commas")
	formatName := flags.String("format", "text", "write findings as `FORMAT`: text, json or github")
	args, code, ok := parse(flags, args, lintSynopsis, stdout, stderr)
	if !ok {
		return code
	}
	format, err := report.ParseFormat(*formatName)
	if err == nil {
		err = ids.Known(except)
	}
	if err != nil {
		return failed(stderr, "lint", err)
	}
	in, err := c.read(ctx, args, stdin)
	if err != nil {
		return failed(stderr, "lint", err)
	}
	findings := lint.Lint(in.policy, lint.Config{Schema: in.schema, Except: except})
	for i := range findings {
		findings[i].File = in.path(findings[i].File)
	}
	if err := (report.Report{Methods: len(in.policy.Methods), Findings: findings}).Write(stdout, format); err != nil {
		return failed(stderr, "lint", err)
	}
	if len(findings) == 0 {
		return Clean
	}
	_, _ = fmt.Fprintf(stderr, "usher lint: %s in %s\n", count(len(findings), "finding"), count(len(in.policy.Methods), "method"))

	return Found
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}

	return fmt.Sprintf("%d %s", n, noun)
}
