// Package proto holds the .proto files that a user's own .proto imports. The
// generated Go stands beside each file, and is imported from there: a second copy
// would register the same names twice, and the program would panic at start.
//
//	import authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
//
// A compiler finds the files in this module's folder, or in a copy made by the
// command export:
//
//	protoc -I . -I "$(go list -m -f '{{.Dir}}' github.com/usher-auth/usher)/proto" …
//	go run github.com/usher-auth/usher/proto/export third_party
//
// With buf, third_party is a module of the workspace in buf.yaml; in buf.gen.yaml,
// managed mode must leave the file's go_package alone, and inputs must not name
// third_party:
//
//	managed:
//	  enabled: true
//	  disable:
//	    - file_option: go_package
//	      path: usher/authz/v1
//	inputs:
//	  - directory: proto
package proto

import "embed"

// Files are the .proto files, by the path that an import statement gives them, as
// in "usher/authz/v1/authz.proto".
//
//go:embed usher/authz/v1/authz.proto
var Files embed.FS
