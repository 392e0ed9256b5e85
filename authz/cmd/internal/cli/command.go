// Package cli is the command usher: its subcommands, their flags and exit codes.
//
//	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, cli.Commands()...))
//
// A subcommand of another package is one more [Command].
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/usher-auth/usher/authz/cmd/internal/ids"
	"github.com/usher-auth/usher/authz/cmd/internal/report"
)

// The exit codes.
const (
	// Clean means that nothing was found.
	Clean = 0
	// Found means that something was found: a mistake, or a rule that became looser.
	Found = 1
	// Failed means that the command couldn't do its work: wrong flags, or input that
	// can't be read.
	Failed = 2
)

// Command is a subcommand.
type Command struct {
	// Name is what calls it.
	Name string
	// Summary is what it does, on one line.
	Summary string
	// Run runs it with the arguments after its name and returns an exit code. With the
	// argument -h it prints its help.
	Run func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int
}

// Commands returns the subcommands of this package.
func Commands() []Command {
	return []Command{
		{Name: "lint", Summary: "find mistakes in rules", Run: Lint},
		{Name: "breaking", Summary: "find rules that became looser", Run: Breaking},
		{Name: "lock", Summary: "write rules to a file, to compare later ones with", Run: Lock},
		{Name: "matrix", Summary: "show who may call what", Run: Matrix},
		{Name: "explain", Summary: "tell why a call passes or not", Run: Explain},
		{Name: "mcp", Summary: "serve these to an assistant that writes rules", Run: MCP},
	}
}

// Main runs the subcommand that the first argument names, and returns its exit code.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, commands ...Command) int {
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "version", "-version", "--version":
		_, _ = fmt.Fprintln(stdout, "usher", version())

		return Clean
	case "help", "-h", "-help", "--help":
		if len(args) == 0 {
			overview(stdout, commands)

			return Clean
		}
		if args[0] == "ids" {
			listIDs(stdout)

			return Clean
		}
		name, args = args[0], []string{"-h"}
	}
	for _, command := range commands {
		if command.Name == name {
			return command.Run(ctx, args, stdin, stdout, stderr)
		}
	}
	_, _ = fmt.Fprintf(stderr, "usher: there is no command %q\n\n", report.Printable(name))
	overview(stderr, commands)

	return Failed
}

func overview(w io.Writer, commands []Command) {
	var out strings.Builder
	out.WriteString("usher reviews the rules of gRPC services before they run.\n\nUsage: usher COMMAND [flags] INPUT...\n\n")
	for _, command := range commands {
		fmt.Fprintf(&out, "  %-10s %s\n", command.Name, command.Summary)
	}
	out.WriteString("  help       show a command's flags; \"help ids\" lists the ids of findings\n")
	out.WriteString("  version    show the version\n\nExit codes: 0 nothing found, 1 findings, 2 wrong flags or input.\n")
	_, _ = io.WriteString(w, out.String())
}

func listIDs(w io.Writer) {
	var out strings.Builder
	for _, list := range []struct {
		title string
		ids   []ids.ID
	}{{"usher lint:", ids.Lint}, {"\nusher breaking:", ids.Breaking}} {
		fmt.Fprintln(&out, list.title)
		for _, id := range list.ids {
			fmt.Fprintf(&out, "  %-29s %s\n", id.Name, id.Purpose)
		}
	}
	_, _ = io.WriteString(w, out.String())
}

// version returns the version of the module, as the build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}

	return info.Main.Version
}

// severalIssuers is what the flags can do about subjects that several issuers share.
// IssuerSubjects is of a server's configuration, and has no flag.
const severalIssuers = "write {$issuer} in --subject-user and --subject-service, as in user:{$issuer}/{$sub} and service:{$issuer}/{$client_id}; " +
	"a server with IssuerSubjects is judged by its lock file, which has them"

// failed prints an error, each of its lines on its own, and returns the exit code.
func failed(stderr io.Writer, command string, err error) int {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, _ = fmt.Fprintf(stderr, "usher %s: %s\n", command, report.Printable(line))
	}
	if strings.Contains(err.Error(), "each issuer its own IssuerSubjects") {
		_, _ = fmt.Fprintf(stderr, "usher %s: %s\n", command, severalIssuers)
	}

	return Failed
}

// parse parses flags that may stand before, between and after the arguments. It prints
// the help if it is asked for. The exit code counts if it isn't ok.
func parse(flags *flag.FlagSet, args []string, synopsis string, stdout, stderr io.Writer) (rest []string, code int, ok bool) {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	for {
		err := flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(stdout, synopsis)
			flags.SetOutput(stdout)
			flags.PrintDefaults()

			return nil, Clean, false
		}
		if err != nil {
			failed(stderr, flags.Name(), err)
			_, _ = fmt.Fprintf(stderr, "usher %s: \"usher help %s\" lists the flags\n", flags.Name(), flags.Name())

			return nil, Failed, false
		}
		left := flags.Args()
		if len(left) == 0 {
			return rest, Clean, true
		}
		if used := len(args) - len(left); used > 0 && args[used-1] == "--" {
			return append(rest, left...), Clean, true
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// create calls write with the standard output, or with a file, which it creates or
// overwrites. An error of closing it is one, too.
func create(path string, stdout io.Writer, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(stdout)
	}
	file, err := os.Create(path) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close() // the first error counts

		return err
	}

	return file.Close()
}
