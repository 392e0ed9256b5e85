package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cmd/internal/load"
	"github.com/usher-auth/usher/authz/lint"
)

const matrixSynopsis = `Usage: usher matrix [flags] INPUT...

Shows who may call what: for each method its rule, the object and relation, who can hold
it by the schema, and everything else that a caller must have. Each image and lock file is
a server of its own; all .proto files together are one.
Exit codes: 0 written, 2 wrong flags or input.
`

// Matrix is the subcommand matrix.
func Matrix(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("matrix", flag.ContinueOnError)
	var c common
	c.register(flags)
	var oldRoots paths
	format := flags.String("format", "text", "write it as `FORMAT`: text, markdown, json or html")
	output := flags.String("o", "", "write it to `FILE`. Default: stdout")
	title := flags.String("title", "", "the `TITLE` of the page. Default: Who may call what")
	against := ""
	flags.Func("against", "mark the methods whose rules differ from `OLD`, as breaking compares them", set(&against))
	flags.Var(&oldRoots, "against-I", "look up OLD's imports in `DIRECTORY`, repeated for more. Default: OLD itself")
	args, code, ok := parse(flags, args, matrixSynopsis, stdout, stderr)
	if !ok {
		return code
	}
	write := map[string]func(*lint.Matrix, io.Writer) error{
		"text": (*lint.Matrix).Text, "markdown": (*lint.Matrix).Markdown, "json": (*lint.Matrix).JSON, "html": (*lint.Matrix).HTML,
	}[*format]
	if write == nil {
		return failed(stderr, "matrix", fmt.Errorf("there is no format %q: it is text, markdown, json or html", *format))
	}
	var old *authz.Policy
	var err error
	if against != "" {
		if old, err = c.readOld(ctx, against, oldRoots, args, stdin); err != nil {
			return failed(stderr, "matrix", fmt.Errorf("--against: %w", err))
		}
	}
	in, err := c.read(ctx, args, stdin)
	if err != nil {
		return failed(stderr, "matrix", err)
	}
	config := lint.MatrixConfig{Policies: c.named(in), Schema: in.schema, Title: *title}
	if old != nil {
		config.Comparison = lint.Compare(old, in.policy, lint.CompareConfig{Schema: in.schema})
	}
	matrix, err := lint.NewMatrix(config)
	if err != nil {
		return failed(stderr, "matrix", err)
	}
	if err := create(*output, stdout, func(w io.Writer) error { return write(matrix, w) }); err != nil {
		return failed(stderr, "matrix", err)
	}

	return Clean
}

// named returns the policies with names, by which several are told apart.
func (c *common) named(in *input) []lint.NamedPolicy {
	short := map[string]int{}
	for _, source := range in.sources {
		short[serverName(source)]++
	}
	var named []lint.NamedPolicy
	for i, source := range in.sources {
		part := c.part(in.policies[i], make([]bool, len(c.only)))
		if len(part.Methods)+len(part.Faults) == 0 {
			continue
		}
		name := serverName(source)
		if short[name] > 1 {
			name = source.Name
		}
		named = append(named, lint.NamedPolicy{Name: name, Policy: part})
	}
	if len(named) == 1 {
		named[0].Name = ""
	}

	return named
}

// serverName returns the name of an input without its folder and suffixes.
func serverName(source *load.Source) string {
	name, _, _ := strings.Cut(filepath.Base(source.Name), ".")
	if name == "" {
		return source.Name
	}

	return name
}
