// Command buf-plugin-usher judges rules of gRPC methods within buf lint and buf breaking.
//
//	# buf.yaml
//	version: v2
//	lint:
//	  use: [STANDARD, USHER]
//	breaking:
//	  use: [FILE, USHER]
//	plugins:
//	  - plugin: buf-plugin-usher
//	    options:
//	      schema: model.fga
package main

import (
	"buf.build/go/bufplugin/check"

	"github.com/usher-auth/usher/authz/cmd/internal/bufplugin"
)

func main() {
	check.Main(bufplugin.Spec())
}
