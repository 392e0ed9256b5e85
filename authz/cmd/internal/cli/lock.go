package cli

import (
	"context"
	"flag"
	"io"

	"github.com/usher-auth/usher/authz/lint"
)

const lockSynopsis = `Usage: usher lock [flags] INPUT...

Writes the rules of INPUT as a lock file, with which breaking compares later ones. It has
no schema and no line numbers, so that it changes only if rules do. A server's own lock
file, with its rules in code, is written by interceptortest.Lock.
Exit codes: 0 written, 2 wrong flags or input.
`

// Lock is the subcommand lock.
func Lock(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("lock", flag.ContinueOnError)
	var c common
	c.register(flags)
	output := flags.String("o", "", "write it to `FILE`. Default: stdout")
	args, code, ok := parse(flags, args, lockSynopsis, stdout, stderr)
	if !ok {
		return code
	}
	in, err := c.read(ctx, args, stdin)
	if err != nil {
		return failed(stderr, "lock", err)
	}
	lock, err := lint.WriteLock(in.policy)
	if err != nil {
		return failed(stderr, "lock", err)
	}
	err = create(*output, stdout, func(w io.Writer) error {
		_, err := w.Write(lock)

		return err
	})
	if err != nil {
		return failed(stderr, "lock", err)
	}

	return Clean
}
