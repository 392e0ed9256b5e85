// Package internal keeps the module's requirements until its packages use them.
package internal

import (
	_ "buf.build/go/bufplugin/check"
	_ "github.com/authzed/spicedb/pkg/schemadsl/compiler"
	_ "github.com/bufbuild/protocompile"
	_ "github.com/modelcontextprotocol/go-sdk/mcp"
	_ "github.com/openfga/language/pkg/go/transformer"
	_ "go.yaml.in/yaml/v3"
	_ "pluginrpc.com/pluginrpc"

	_ "github.com/usher-auth/usher/authz/cel"
	_ "github.com/usher-auth/usher/authz/lint"
	_ "github.com/usher-auth/usher/authz/openfga"
	_ "github.com/usher-auth/usher/authz/spicedb"
)
