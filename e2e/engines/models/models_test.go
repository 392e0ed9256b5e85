// Package models holds the command usher to what real engines say of a model's file: what
// they refuse it refuses, and what they accept it accepts.
package models

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/language/pkg/go/transformer"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
	"github.com/usher-auth/usher/e2e/engines/spicedbserver"
)

const rules = `syntax = "proto3";
package docs.v1;
import "usher/authz/v1/authz.proto";
service Docs {
  rpc Get(Request) returns (Request) {
    option (.usher.authz.v1.rule) = { authenticated: {} };
  }
}
message Request {}
`

// usher is the built command, and a service that it lints by models.
type usher struct{ binary, service string }

func build(tb testing.TB) usher {
	tb.Helper()
	dir := tb.TempDir()
	u := usher{binary: filepath.Join(dir, "usher"), service: filepath.Join(dir, "docs.proto")}
	if err := os.WriteFile(u.service, []byte(rules), 0o600); err != nil {
		tb.Fatal(err)
	}
	command := exec.CommandContext(tb.Context(), "go", "build", "-o", u.binary, "./usher")
	command.Dir = filepath.FromSlash("../../../authz/cmd")
	if out, err := command.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}

	return u
}

// accepts reports whether the command reads the schema, and what it says otherwise.
func (u usher) accepts(tb testing.TB, schema string, environment ...string) (bool, string) {
	tb.Helper()
	var stderr bytes.Buffer
	command := exec.CommandContext(tb.Context(), u.binary, "lint", "-I", filepath.Dir(u.service), "--schema", schema, u.service)
	command.Env = append(os.Environ(), environment...)
	command.Stderr = &stderr
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, ""
	case errors.As(err, &exit) && exit.ExitCode() == 2:
		if !strings.Contains(stderr.String(), "--schema: ") {
			tb.Fatalf("refused, but not for its schema: %s", &stderr)
		}

		return false, stderr.String()
	}
	tb.Fatalf("%v\n%s", err, &stderr)

	return false, ""
}

func write(tb testing.TB, name, text string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}

	return file
}

const doc = "model\n  schema 1.1\ntype user\ntype team\n  relations\n    define member: [user]\ntype doc\n  relations\n    define parent: [doc]\n    define viewer: [user, team#member]\n"

// TestOpenFGA: the command and OpenFGA accept and refuse the same models.
func TestOpenFGA(t *testing.T) {
	u := build(t)
	server := openfgaserver.Start(t, openfgaserver.SuiteModel)
	for name, c := range map[string]struct {
		text string
		// looser is why the command accepts what OpenFGA refuses. Nothing that it says of
		// rules is wrong by it: OpenFGA never runs with that model.
		looser string
	}{
		"the suite's":             {openfgaserver.SuiteModel, ""},
		"a union":                 {doc + "    define a: viewer or viewer from parent\n", ""},
		"an intersection":         {doc + "    define a: viewer and ([user] or viewer from parent)\n", ""},
		"an exclusion":            {doc + "    define a: (viewer or viewer from parent) but not ([user:*] and viewer)\n", ""},
		"a wildcard":              {doc + "    define a: [user:*, team#member]\n", ""},
		"a condition":             {doc + "    define a: [user with c]\ncondition c(x: int) {\n  x > 1\n}\n", ""},
		"a condition of a list":   {doc + "    define a: [user with c]\ncondition c(x: list<string>, y: map<int>) {\n  size(x) > y[\"a\"]\n}\n", ""},
		"a cycle with an entry":   {doc + "    define a: [user, doc#a] or a from parent\n", ""},
		"a type without relation": {doc + "type other\n", ""},
		"names of words":          {doc + "    define define: [user]\n", ""},
		"long names":              {doc + "    define " + strings.Repeat("a", 50) + ": [user]\n", ""},
		"comments":                {"# a model\n" + doc + "    # a comment\n    define a: [user] # another\n", ""},
		"version 1.2":             {strings.Replace(doc, "1.1", "1.2", 1), ""},

		"version 1.0":                {"model\n  schema 1.0\ntype user\n", ""},
		"an undefined relation":      {doc + "    define a: viewr\n", ""},
		"an undefined type":          {doc + "    define a: [usr]\n", ""},
		"an undefined userset":       {doc + "    define a: [team#members]\n", ""},
		"an undefined condition":     {doc + "    define a: [user with c]\n", ""},
		"an arrow from nothing":      {doc + "    define a: viewer from parents\n", ""},
		"an arrow to nothing":        {doc + "    define a: editor from parent\n", ""},
		"a type twice":               {doc + "type user\n", ""},
		"a name that is too long":    {doc + "    define " + strings.Repeat("a", 51) + ": [user]\n", ""},
		"an arrow over a userset":    {doc + "    define a: viewer from viewer\n", ""},
		"an arrow over both":         {doc + "    define w: [doc, team#member]\n    define a: viewer from w\n", ""},
		"an arrow over a wildcard":   {doc + "    define w: [doc:*]\n    define a: viewer from w\n", ""},
		"an arrow over a union":      {doc + "    define w: [doc] or parent\n    define a: viewer from w\n", ""},
		"a cycle without an entry":   {doc + "    define a: b\n    define b: a\n", ""},
		"a cycle of usersets":        {doc + "    define a: [doc#a]\n", "a relation that nobody can have"},
		"a relation of itself":       {doc + "    define a: a or viewer\n", ""},
		"a condition that is wrong":  {doc + "    define a: [user with c]\ncondition c(x: int) {\n  x + 1\n}\n", "conditions are read, not compiled"},
		"a condition of no variable": {doc + "    define a: [user with c]\ncondition c(x: int) {\n  y > 1\n}\n", "conditions are read, not compiled"},
		"self as a name":             {doc + "    define self: [user]\n", "a reserved name, which no rule can use by mistake"},
	} {
		t.Run(name, func(t *testing.T) {
			accepted, said := u.accepts(t, write(t, "model.fga", c.text))
			err := writeFGA(t, server, c.text)
			t.Logf("OpenFGA: %v; usher: %s", err, said)
			switch {
			case c.looser != "" && (err == nil || !accepted):
				t.Errorf("no difference any more: %s", c.looser)
			case c.looser == "" && accepted != (err == nil):
				t.Errorf("accepted is %t; OpenFGA says %v; usher says %s", accepted, err, said)
			}
		})
	}
}

func writeFGA(tb testing.TB, server *openfgaserver.Server, text string) error {
	tb.Helper()
	m, err := transformer.TransformDSLToProto(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	_, err = server.Client.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{
		StoreId: server.StoreID, TypeDefinitions: m.GetTypeDefinitions(), SchemaVersion: m.GetSchemaVersion(), Conditions: m.GetConditions(),
	})

	return err
}

const zed = "definition user {}\ndefinition team {\n\trelation member: user\n}\ndefinition doc {\n\trelation parent: doc\n\trelation viewer: user | team#member\n"

// TestSpiceDB: the command and SpiceDB accept and refuse the same schemas.
func TestSpiceDB(t *testing.T) {
	u := build(t)
	server := spicedbserver.Start(t, spicedbserver.SuiteSchema)
	for name, c := range map[string]struct{ text, looser string }{
		"the suite's":            {spicedbserver.SuiteSchema, ""},
		"a union":                {zed + "\tpermission view = viewer + parent->view\n}\n", ""},
		"an intersection":        {zed + "\tpermission view = viewer & (viewer + parent->view)\n}\n", ""},
		"an exclusion":           {zed + "\tpermission view = viewer - viewer - parent->view\n}\n", ""},
		"nothing":                {zed + "\tpermission view = nil\n}\n", ""},
		"all":                    {zed + "\tpermission view = parent.all(view) + viewer\n}\n", ""},
		"any":                    {zed + "\tpermission view = parent.any(view) + viewer\n}\n", ""},
		"itself":                 {"use self\n" + zed + "\tpermission view = self + viewer\n}\n", ""},
		"a wildcard":             {zed + "\trelation all: user:*\n}\n", ""},
		"a caveat":               {"caveat c(x int) {\n\tx > 1\n}\n" + zed + "\trelation some: user with c\n}\n", ""},
		"a caveat of a list":     {"caveat c(x list<string>, y map<int>) {\n\tsize(x) > y[\"a\"]\n}\n" + zed + "\trelation some: user with c\n}\n", ""},
		"an expiration":          {"use expiration\n" + zed + "\trelation some: user with expiration\n}\n", ""},
		"a prefix":               {"definition docs/user {}\ndefinition docs/doc {\n\trelation viewer: docs/user\n}\n", ""},
		"a partial":              {"use partial\n" + "partial p {\n\trelation some: user\n}\n" + zed + "\t...p\n}\n", ""},
		"comments":               {"/** doc */\n" + zed + "\t// one\n\tpermission view = viewer /* two */\n}\n", ""},
		"a permission again":     {zed + "\tpermission view = viewer + (parent->view & viewer)\n}\n", ""},
		"a permission of itself": {zed + "\tpermission aaa = viewer + aaa\n}\n", ""},
		"two of each other":      {zed + "\tpermission aaa = viewer + bbb\n\tpermission bbb = viewer & aaa\n}\n", ""},
		"an alias of a union":    {zed + "\tpermission aaa = bbb\n\tpermission bbb = viewer + aaa\n}\n", ""},
		"an arrow over both":     {zed + "\trelation both: doc | team#member\n\tpermission view = both->viewer\n}\n", ""},
		"an arrow over a team":   {zed + "\trelation teams: team\n\tpermission view = teams->member\n}\n", ""},

		"an undefined relation":       {zed + "\tpermission view = viewr\n}\n", ""},
		"an undefined type":           {zed + "\trelation some: usr\n}\n", ""},
		"an undefined userset":        {zed + "\trelation some: team#members\n}\n", ""},
		"an undefined caveat":         {zed + "\trelation some: user with c\n}\n", ""},
		"an arrow from nothing":       {zed + "\tpermission view = parents->viewer\n}\n", ""},
		"a type twice":                {zed + "}\ndefinition user {}\n", ""},
		"a relation twice":            {zed + "\trelation viewer: user\n}\n", ""},
		"a short name":                {zed + "\trelation ab: user\n}\n", ""},
		"a name in capitals":          {zed + "\trelation Viewer: user\n}\n", ""},
		"a caveat's type":             {"caveat c(x integer) {\n\tx > 1\n}\n" + zed + "}\n", ""},
		"a caveat that isn't one":     {"caveat c(x int) {\n\tx + 1\n}\n" + zed + "}\n", ""},
		"a cycle":                     {zed + "\tpermission aaa = bbb\n\tpermission bbb = aaa\n}\n", ""},
		"a permission that is itself": {zed + "\tpermission aaa = aaa\n}\n", ""},
		"nested arrows":               {zed + "\tpermission view = parent->parent->viewer\n}\n", ""},
		"an expiration without use":   {zed + "\trelation some: user with expiration\n}\n", ""},
		"an arrow over a permission":  {zed + "\tpermission view = viewer\n\tpermission see = view->view\n}\n", ""},
		"an arrow over a wildcard":    {zed + "\trelation all: doc:*\n\tpermission view = all->viewer\n}\n", ""},
		"a wildcard of a team":        {zed + "\trelation all: user:*\n\trelation any: doc#all\n}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			accepted, said := u.accepts(t, write(t, "schema.zed", c.text))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := server.Schema.WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: c.text})
			if err == nil {
				// A live schema is SpiceDB's text, which it writes anew.
				read, err := server.Schema.ReadSchema(ctx, &v1.ReadSchemaRequest{})
				if err != nil {
					t.Fatal(err)
				}
				if again, said := u.accepts(t, write(t, "live.zed", read.GetSchemaText())); !again {
					t.Errorf("SpiceDB's own text is refused: %s\n%s", said, read.GetSchemaText())
				}
			}
			t.Logf("SpiceDB: %v; usher: %s", err, said)
			switch {
			case c.looser != "" && (err == nil || !accepted):
				t.Errorf("no difference any more: %s", c.looser)
			case c.looser == "" && accepted != (err == nil):
				t.Errorf("accepted is %t; SpiceDB says %v; usher says %s", accepted, err, said)
			}
		})
	}
}

// TestLive: the command reads the model of a running engine by its URL.
func TestLive(t *testing.T) {
	u := build(t)
	fga := openfgaserver.Start(t, openfgaserver.SuiteModel)
	address := serve(t, func(s *grpc.Server) { openfgav1.RegisterOpenFGAServiceServer(s, fga.API) })
	for _, ref := range []string{"/" + fga.StoreID, "/" + fga.StoreID + "?model=" + fga.ModelID} {
		if accepted, said := u.accepts(t, "openfga+grpc+plaintext://"+address+ref); !accepted {
			t.Errorf("OpenFGA: %s", said)
		}
	}
	if accepted, said := u.accepts(t, "openfga+grpc+plaintext://"+address+"/01ARZ3NDEKTSV4RRFFQ69G5FAV"); accepted || !strings.Contains(said, "01ARZ3NDEKTSV4RRFFQ69G5FAV") {
		t.Errorf("another store: accepted is %t: %s", accepted, said)
	}
}

// serve runs a server on loopback until the test ends, and returns its address.
func serve(tb testing.TB, register func(*grpc.Server)) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	tb.Cleanup(func() {
		server.Stop()
		<-done
	})

	return listener.Addr().String()
}
