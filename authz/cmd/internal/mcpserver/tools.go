package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/usher-auth/usher/authz/cmd/internal/changes"
	"github.com/usher-auth/usher/authz/cmd/internal/explain"
	"github.com/usher-auth/usher/authz/cmd/internal/load"
	"github.com/usher-auth/usher/authz/lint"
)

type lintInput struct {
	draft
	scope

	Except []string `json:"except,omitempty" jsonschema:"ids of findings to leave out"`
}

// findings is the result of lint and breaking.
type findings struct {
	// Methods is how many methods were judged.
	Methods  int            `json:"methods"`
	Findings []lint.Finding `json:"findings"`
	// Omitted is how many findings were left out.
	Omitted int `json:"omitted,omitempty"`
	// Opaque are methods whose handler decides in both versions, and Tighter how many
	// methods became only tighter.
	Opaque  []string `json:"opaque,omitempty"`
	Tighter int      `json:"tighter,omitempty"`
}

func newFindings(methods int, found []lint.Finding, sources []*load.Source) *findings {
	f := &findings{Methods: methods, Findings: found}
	if len(found) > MaxFindings {
		f.Findings, f.Omitted = found[:MaxFindings], len(found)-MaxFindings
	}
	for i := range f.Findings {
		f.Findings[i].File = pathOf(sources, f.Findings[i].File)
	}
	if f.Findings == nil {
		f.Findings = []lint.Finding{}
	}

	return f
}

func pathOf(sources []*load.Source, file string) string {
	for _, source := range sources {
		if path := source.Path(file); path != file {
			return path
		}
	}

	return file
}

func (t *tools) lint(ctx context.Context, in lintInput) (any, error) {
	policy, sources, err := t.policy(ctx, in.draft, in.scope)
	if err != nil {
		return nil, err
	}

	return newFindings(len(policy.Methods), lint.Lint(policy, lint.Config{Schema: t.config.Schema, Except: in.Except}), sources), nil
}

type matrixInput struct {
	draft
	scope
}

func (t *tools) matrix(ctx context.Context, in matrixInput) (any, error) {
	policy, _, err := t.policy(ctx, in.draft, in.scope)
	if err != nil {
		return nil, err
	}
	omitted := 0
	if n := len(policy.Methods); n > MaxRows {
		part := *policy
		part.Methods, omitted = policy.Methods[:MaxRows], n-MaxRows
		policy = &part
	}
	matrix, err := lint.NewMatrix(lint.MatrixConfig{Policies: []lint.NamedPolicy{{Policy: policy}}, Schema: t.config.Schema})
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := matrix.JSON(&text); err != nil {
		return nil, err
	}

	return struct {
		Matrix json.RawMessage `json:"matrix"`
		// Omitted is how many methods were left out.
		Omitted int `json:"omitted,omitempty"`
	}{text.Bytes(), omitted}, nil
}

type breakingInput struct {
	draft
	scope

	OldSource string `json:"old_source,omitempty" jsonschema:"text of the .proto file before; without it the draft is compared with the files that the operator named"`
}

func (t *tools) breaking(ctx context.Context, in breakingInput) (any, error) {
	if in.Source == "" {
		return nil, errors.New("give the draft as source: it is compared with old_source, or with the operator's files")
	}
	policy, sources, err := t.policy(ctx, in.draft, in.scope)
	if err != nil {
		return nil, err
	}
	before := draft{Source: in.OldSource}
	if in.OldSource != "" {
		before.Path = in.Path
	}
	old, _, err := t.policy(ctx, before, scope{})
	if err != nil {
		return nil, err
	}
	comparison := lint.Compare(in.within(old), policy, lint.CompareConfig{Schema: t.config.Schema})
	found := changes.Of(comparison, &changes.Accepted{}, false)
	result := newFindings(len(policy.Methods), found.Findings, sources)
	result.Opaque, result.Tighter = found.Opaque[:min(len(found.Opaque), MaxFindings)], found.Tighter

	return result, nil
}

type explainInput struct {
	draft
	explain.Request

	Body any `json:"request,omitempty" jsonschema:"the call's request as a JSON object of the method's message; 64-bit integers as text. Default: no field is set"`
}

func (t *tools) explain(ctx context.Context, in explainInput) (any, error) {
	sources, err := t.sources(ctx, in.draft)
	if err != nil {
		return nil, err
	}
	source := t.config.Template
	if source.Files, err = load.Together(sources); err != nil {
		return nil, err
	}
	call := explain.Request{Method: in.Method, Caller: in.Caller, Metadata: in.Metadata, PeerIP: in.PeerIP}
	if in.Body != nil {
		if call.Message, err = json.Marshal(in.Body); err != nil {
			return nil, err
		}
	}
	result, err := explain.Call(ctx, explain.Config{Source: source, Engine: t.config.Engine, EngineName: t.config.EngineName}, call)
	if err != nil {
		return nil, err
	}
	result.Rule.File = pathOf(sources, result.Rule.File)
	if text, err := json.Marshal(result); err == nil && len(text) > MaxResult {
		result.WithoutTraces()
	}

	return result, nil
}
