package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/usher-auth/usher/authz/lint"
)

// maxBytes bounds the page, so that it fits beside a question.
const maxBytes = 60_000

const intro = `# usher: rules for gRPC methods

> usher guards gRPC services in Go. A rule is an option of a method in its .proto file and says who may call it.
> When the server starts, usher compiles each rule against the request's descriptor; a wrong rule stops the start.
> For each call it verifies the access token, fills the rule's templates from the request and the token, and asks an engine (OpenFGA, SpiceDB, LumoAuth, AuthZEN) or decides by itself.
> A method without a rule is denied. An error never grants.
> This page is for programs that write rules. It is generated; each recipe is tested.

## The loop

1. Say the rule in one sentence: who may do what to which object.
2. Find the recipe below that says the same, and change its names. Import "usher/authz/v1/authz.proto".
3. Write a rule for each method. A service's default is for what all its methods have in common.
4. Run ` + "`usher lint --format json --schema SCHEMA PROTO_FILES`" + `. SCHEMA is the engine's model: a file (.fga, fga.mod, OpenFGA's .json, SpiceDB's .zed, LumoAuth's .yaml of namespaces) or a live engine (openfga+grpc://HOST:PORT/STORE, spicedb+grpc://HOST:PORT). Exit code 0: nothing was found; 1: findings; 2: wrong flags or input.
5. Each finding has an id, file, line, column, method, the path in the rule, the problem and its fix. Correct the rule and go to 4, until nothing is found. Don't silence a finding with --except or buf:lint:ignore: ask a person.
6. Run ` + "`usher breaking --format json --against OLD NEW`" + `. If a rule became looser, show its witness (the call that is newly admitted) to a person, and wait for a yes.
7. Run ` + "`usher matrix --format markdown`" + ` and give the table to the reviewer: each method, who may call it, by which relation.

The same tools are in ` + "`usher mcp`" + `, a read-only MCP server.

## Do

- Write the object's type literally: "document:{document_id}". The caller must not choose it.
- Read every identifier of the request that the method acts on. A field that no part of the rule reads lets a caller who passes name any object.
- Check the parent when an object is created, and both folders when it is moved.
- Check each element of a list with [], or filter in the handler under handler.
- Give public, handler and deny a reason that a reviewer can judge.
- Use the relation that means the action (viewer to read, editor to change, owner to delete), and one that the schema has.
- Where several issuers are trusted, alice of one isn't alice of another: name the one whose word counts, as in access_token: { issuers: "main" }, wherever a rule reads {$sub}, {$client_id}, a claim, a role, a group or a permission of the token. Or write {$issuer} beside it, as in "profile:{$issuer}/{$sub}".
- Write conditions one by one: conditions: {…} conditions: {…}.

## Don't

- Don't make a method public, authenticated or handler because a rule is hard to write: ask.
- Don't decide by what the caller says about itself. A role, a tenant or an owner in the request is only the caller's word; use the token ({$claim.path}) or the engine.
- Don't put a scope where a relation is meant. A scope is what a client may ask for, not what this user may do to this object.
- Don't add an any_of branch to make a test pass: each branch alone is enough.
- Don't use on_missing: ON_MISSING_DENY except in a branch of any_of: otherwise a request that names no object is a mistake of the caller, and INVALID_ARGUMENT tells it so.
- Don't put tokens, secrets or addresses of engines into rules.
`

// page returns the page. authz is the folder of package authz.
func page(authz string) (string, error) {
	readme, err := read(authz, "README.md")
	if err != nil {
		return "", err
	}
	cookbook, err := read(authz, "cookbook.md")
	if err != nil {
		return "", err
	}
	proto, err := read(authz, "../proto/usher/authz/v1/authz.proto")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString(intro)
	for _, title := range []string{"Which policy", "Naming the object", "What decides"} {
		text, err := section(readme, title)
		if err != nil {
			return "", err
		}
		out.WriteString("\n## " + title + "\n" + lists(text))
	}
	out.WriteString("\n## Findings of usher lint\n\n")
	for _, kind := range lint.Kinds() {
		needs := ""
		if kind.NeedsSchema {
			needs = " Needs --schema."
		}
		fmt.Fprintf(&out, "- %s: %s%s\n", kind.ID, kind.Purpose, needs)
	}
	out.WriteString("\n## The schema of rules\n\nusher.authz.v1, from authz.proto; each comment is above what it is about.\n\n```proto\n" + compact(proto) + "```\n")
	recipes, err := recipes(cookbook)
	if err != nil {
		return "", err
	}
	out.WriteString("\n" + recipes)
	if out.Len() > maxBytes {
		return "", fmt.Errorf("the page has %d bytes, more than %d", out.Len(), maxBytes)
	}

	return out.String(), nil
}

func read(authz, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(authz, filepath.FromSlash(name))) //nolint:gosec // the pages of this repository

	return string(text), err
}

// section returns the text below a heading of a page, without links.
func section(page, title string) (string, error) {
	_, text, ok := strings.Cut(page, "\n## "+title+"\n")
	if !ok {
		return "", fmt.Errorf("the page has no section %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")

	return strings.TrimRight(unlinked(strings.TrimRight(text, "\n")+"\n"), "\n") + "\n", nil
}
