package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/usher-auth/usher/authz/cmd/internal/report"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
)

const (
	// MaxSource bounds a draft, in bytes.
	MaxSource = 256 << 10
	// MaxResult bounds a result, in bytes of JSON.
	MaxResult = 256 << 10
	// MaxLine bounds one message of a client, in bytes.
	MaxLine = 2 << 20
	// MaxFindings is how many findings a result has.
	MaxFindings = 100
	// MaxRows is how many rows of a matrix a result has.
	MaxRows = 100
	// maxParallel is how many calls run at once; more wait.
	maxParallel = 2
	// callTimeout bounds each call.
	callTimeout = 30 * time.Second
)

// Config configures [New].
type Config struct {
	// Inputs are the operator's .proto files, directories and images, and Roots the
	// directories in which imports are looked up. They are read at each call. Optional.
	// Default: tools judge drafts alone.
	Inputs, Roots []string
	// Template is what the server's configuration adds to the rules. Its Files are
	// ignored.
	Template lint.Source
	// Schema is the engine's schema. Optional.
	Schema *schema.Schema
	// Engine is what explain asks, and EngineName how results name it. Optional. Default:
	// explain shows what would be asked.
	Engine     any
	EngineName string
	// Version is the version of the command. Optional.
	Version string
}

const instructions = `Tools to check authorization rules of gRPC services, which are written as protobuf options (usher.authz.v1.rule).
Write or change a rule, call lint with the whole .proto text as source, mend each finding as its fix says, and repeat until there is none.
Then call breaking to see whether the draft lets more calls pass than before, and explain to see what one call comes to. A person decides about rules that became looser.
Nothing is written: a draft is only judged.`

// New returns a server with the tools.
func New(config Config) *mcp.Server {
	if config.Version == "" {
		config.Version = "devel"
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "usher", Title: "usher: rules of gRPC services", Version: config.Version}, &mcp.ServerOptions{
		Instructions: instructions, Capabilities: &mcp.ServerCapabilities{},
	})
	server.AddReceivingMiddleware(placed)
	t := &tools{config: config, places: make(chan struct{}, maxParallel)}
	add(server, t, "lint", "Find mistakes in rules: each with a stable id, its place and a fix", false, t.lint)
	add(server, t, "matrix", "Show who may call what: a row for each method", false, t.matrix)
	add(server, t, "breaking", "Compare a draft's rules with those before: what became looser, with a call that shows it", false, t.breaking)
	add(server, t, "explain", "Tell why one call passes or not: each part of the rule, what the engine is asked, and what the caller is told", config.Engine != nil, t.explain)

	return server
}

// tools are the tools and what they share.
type tools struct {
	config Config
	places chan struct{}
}

var (
	errPanicked = errors.New("the tool failed on this input")
	errTooLarge = fmt.Errorf("the result is larger than %d KiB: name fewer methods with only", MaxResult>>10)
)

// add adds a tool. What it returns is bounded, and its failure is the tool's and never the
// server's.
func add[In any](server *mcp.Server, t *tools, name, description string, open bool, call func(context.Context, In) (any, error)) {
	closed := false
	tool := &mcp.Tool{
		Name: name, Description: description,
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, DestructiveHint: &closed, IdempotentHint: true, OpenWorldHint: &open},
	}
	mcp.AddTool(server, tool, func(ctx context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, any, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		select {
		case t.places <- struct{}{}:
			defer func() { <-t.places }()
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		text, err := contained(ctx, in, call)
		if err != nil {
			return nil, nil, errors.New(report.Printable(cut(err.Error())))
		}

		return nil, json.RawMessage(text), nil
	})
}

// contained calls a tool and returns its result as JSON. A panic is an error.
func contained[In any](ctx context.Context, in In, call func(context.Context, In) (any, error)) (text []byte, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			text, err = nil, errPanicked
		}
	}()
	result, err := call(ctx, in)
	if err != nil {
		return nil, err
	}
	if text, err = json.Marshal(result); err != nil {
		return nil, err
	}
	if text = report.PrintableJSON(text); len(text) > MaxResult {
		return nil, errTooLarge
	}

	return text, nil
}

// maxError bounds the text of an error, in bytes.
const maxError = 4 << 10

func cut(text string) string {
	if len(text) > maxError {
		return text[:maxError] + "…"
	}

	return text
}
