package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/authz/cmd/internal/dial"
	"github.com/usher-auth/usher/authz/cmd/internal/engines"
	"github.com/usher-auth/usher/authz/cmd/internal/explain"
	"github.com/usher-auth/usher/authz/cmd/internal/load"
	"github.com/usher-auth/usher/authz/cmd/internal/report"
)

const explainSynopsis = `Usage: usher explain [flags] --method SERVICE/METHOD --as CALLER INPUT...

Tells why a call passes or not: what each part of the rule comes to, what the engine is
asked, and how it comes to its answer. CALLER is service:CLIENT_ID, user:SUB or none.

  usher explain --method docs.v1.DocumentService/GetDocument --as user:alice \
    --request '{"document_id":"1"}' --engine openfga+grpc+plaintext://localhost:8081/STORE proto

What it prints names other subjects and objects: it is for operators, not for callers.
Engines: ` + engines.Forms + `
The engine's key is read from ` + dial.TokenVariable + `, or from the file that ` + dial.TokenFileVariable + ` names.
Exit codes: 0 allowed, 1 denied or not decided, 2 wrong flags or input.
`

// explainTimeout bounds an explanation as a whole.
const explainTimeout = time.Minute

// Explain is the subcommand explain.
func Explain(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	var c common
	c.inputs(flags)
	request := explain.Request{Metadata: map[string]string{}}
	request.Caller.Claims = map[string]any{}
	flags.StringVar(&request.Method, "method", "", "explain a call of `METHOD`, as in pkg.Service/Method")
	flags.StringVar(&request.Caller.As, "as", "", "the `CALLER`: service:CLIENT_ID, user:SUB or none")
	message := flags.String("request", "", "the request as `JSON`, or @FILE; - is stdin. Default: no field is set")
	flags.StringVar(&request.Caller.Client, "client", "", "the `CLIENT_ID` that a user's token was issued to")
	flags.StringVar(&request.Caller.Issuer, "issuer", "", "the short `NAME` of the token's issuer, if the server trusts several")
	flags.Var((*list)(&request.Caller.Scopes), "scope", "`SCOPES` of the token, with commas")
	flags.Var((*list)(&request.Caller.Roles), "role", "`ROLES` of the token, with commas")
	flags.Var((*list)(&request.Caller.Groups), "group", "`GROUPS` of the token, with commas")
	flags.Var((*list)(&request.Caller.Permissions), "permission", "`PERMISSIONS` of the token, with commas")
	flags.StringVar(&request.Caller.ACR, "acr", "", "the authentication context `CLASS` of the token")
	flags.StringVar(&request.Caller.Age, "age", "", "how long ago the user authenticated, as in `5m`. Default: the token doesn't say")
	flags.Func("claim", "a claim `NAME=VALUE` of the token; a VALUE that is JSON is taken as JSON. Repeated for more", func(text string) error {
		return claim(request.Caller.Claims, text)
	})
	flags.Func("metadata", "request metadata `KEY=VALUE` that the rule reads, repeated for more", func(text string) error {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return errors.New("not KEY=VALUE")
		}
		request.Metadata[strings.ToLower(key)] = value

		return nil
	})
	flags.StringVar(&request.PeerIP, "peer-ip", "", "the caller's `ADDRESS`")
	engineName := engines.None
	flags.Func("engine", "ask the engine at `URL`; none, the default, shows what would be asked", set(&engineName))
	formatName := flags.String("format", "text", "write as `FORMAT`: text or json")
	args, code, ok := parse(flags, args, explainSynopsis, stdout, stderr)
	if !ok {
		return code
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	result, err := c.explain(ctx, &request, *message, engineName, args, stdin)
	if err == nil {
		switch *formatName {
		case "text":
			err = result.WriteText(stdout, report.Printable)
		case "json":
			err = report.WriteJSON(stdout, result)
		default:
			err = fmt.Errorf("there is no format %q: it is text or json", *formatName)
		}
	}
	switch {
	case err != nil:
		return failed(stderr, "explain", err)
	case result.Outcome.Decision == explain.Allowed:
		return Clean
	default:
		return Found
	}
}

func (c *common) explain(ctx context.Context, request *explain.Request, message, engineName string, args []string, stdin io.Reader) (*explain.Result, error) {
	if request.Method == "" || request.Caller.As == "" {
		return nil, errors.New("--method and --as are required")
	}
	var err error
	if request.Message, err = readMessage(message, stdin); err != nil {
		return nil, err
	}
	source, err := c.source()
	if err != nil {
		return nil, err
	}
	sources, err := load.Read(ctx, load.Config{Inputs: slices.Concat(c.in, args), Roots: c.roots, Stdin: stdin})
	if err != nil {
		return nil, err
	}
	if source.Files, err = load.Together(sources); err != nil {
		return nil, err
	}
	engine, err := engines.Open(engineName, engines.Config{})
	if err != nil {
		return nil, err
	}
	result, err := explain.Call(ctx, explain.Config{Source: source, Engine: engine.Engine, EngineName: engine.Name}, *request)
	if closed := engine.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	result.Rule.File = (&input{sources: sources}).path(result.Rule.File)

	return result, nil
}

// claim adds a claim NAME=VALUE.
func claim(claims map[string]any, text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New("not NAME=VALUE")
	}
	if _, twice := claims[name]; twice {
		return fmt.Errorf("the claim %s is given twice", name)
	}
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err == nil && decoded != nil {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			claims[name] = decoded

			return nil
		}
	}
	claims[name] = value

	return nil
}

// readMessage returns the request's JSON.
func readMessage(text string, stdin io.Reader) ([]byte, error) {
	reader := stdin
	switch path, isFile := strings.CutPrefix(text, "@"); {
	case isFile:
		file, err := os.Open(path) //nolint:gosec // the operator's own path
		if err != nil {
			return nil, fmt.Errorf("--request: %w", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		reader = file
	case text != "-":
		return []byte(text), nil
	}
	data, err := io.ReadAll(io.LimitReader(reader, explain.MaxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("--request: %w", err)
	}

	return data, nil
}
