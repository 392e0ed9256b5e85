package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/usher-auth/usher/authz/cmd/internal/engines"
	"github.com/usher-auth/usher/authz/cmd/internal/mcpserver"
	"github.com/usher-auth/usher/authz/cmd/internal/model"
)

const mcpSynopsis = `Usage: usher mcp [flags] [INPUT...]

Serves lint, matrix, breaking and explain to an assistant, by the Model Context Protocol
over stdin and stdout. The tools read INPUT and drafts that the assistant sends as text,
and change nothing. Explain asks the engine only if --engine names one; what it answers
names subjects and objects, which the assistant then knows.
Exit codes: 0 the client left, 2 wrong flags, or the connection failed.
`

// MCP is the subcommand mcp.
func MCP(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mcp", flag.ContinueOnError)
	var c common
	c.inputs(flags)
	schemaName, engineName := "", engines.None
	flags.Func("schema", "judge by the engine's schema in `FILE`, or of the engine at a URL, as it is at the start", set(&schemaName))
	flags.Func("engine", "explain asks the engine at `URL`: "+engines.Forms+". Default: none", set(&engineName))
	args, code, ok := parse(flags, args, mcpSynopsis, stdout, stderr)
	if !ok {
		return code
	}
	if err := c.serve(ctx, schemaName, engineName, args, stdin, stdout); err != nil {
		return failed(stderr, "mcp", err)
	}

	return Clean
}

var errTwoHosts = errors.New("--schema and --engine are at two hosts, and each would get the other's token: read the schema from a file")

// oneHost reports whether no secret of one live engine goes to another.
func oneHost(schemaName, engineName string) bool {
	hosts := map[string]bool{}
	for _, name := range []string{schemaName, engineName} {
		// What isn't a URL is a file, and a faulty URL is refused by who opens it.
		if u, err := url.Parse(name); err == nil && u.Host != "" {
			hosts[strings.ToLower(u.Host)] = true
		}
	}

	return len(hosts) < 2
}

func (c *common) serve(ctx context.Context, schemaName, engineName string, args []string, stdin io.Reader, stdout io.Writer) (err error) {
	config := mcpserver.Config{Inputs: slices.Concat(c.in, args), Roots: c.roots, Version: version()}
	if slices.Contains(config.Inputs, "-") {
		return errors.New("the standard input is the assistant's: it can't be read as -")
	}
	if config.Template, err = c.source(); err != nil {
		return err
	}
	if !oneHost(schemaName, engineName) {
		return errTwoHosts
	}
	if schemaName != "" {
		if config.Schema, err = model.Load(ctx, schemaName, model.Config{}); err != nil {
			return fmt.Errorf("--schema: %w", err)
		}
	}
	engine, err := engines.Open(engineName, engines.Config{})
	if err != nil {
		return err
	}
	config.Engine, config.EngineName = engine.Engine, engine.Name
	// The client has left if its requests end, and so has the operator if the context ends:
	// neither is a failure.
	err = mcpserver.New(config).Run(ctx, &mcp.IOTransport{Reader: io.NopCloser(stdin), Writer: writeCloser{stdout}, MaxLineLength: mcpserver.MaxLine})
	if ctx.Err() != nil {
		err = nil
	}
	if closed := engine.Close(); err == nil {
		err = closed
	}

	return err
}

// writeCloser is a writer that its owner closes.
type writeCloser struct{ io.Writer }

// Close does nothing.
func (writeCloser) Close() error { return nil }
