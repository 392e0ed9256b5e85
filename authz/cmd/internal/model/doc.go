// Package model reads an engine's model into a schema: from a file in the engine's own
// language, or live from the engine.
//
//	document, err := model.Load(ctx, "model.fga", model.Config{})
//	if err != nil {
//		return err // each fault with file, line and column
//	}
//	holders := document.Holders("document", "viewer")
//
// Files are OpenFGA's models (.fga, fga.mod with its modules, .json, and the store files
// of its command line, .fga.yaml), SpiceDB's schemas (.zed, and validation files in YAML)
// and LumoAuth's YAML of namespaces. Live engines are named by a URL such as
// openfga+grpc://localhost:8081/STORE and spicedb+grpc://localhost:50051.
//
// What a file says is input: it is bounded in size, in depth and in the number of files
// that it includes, which must be in its own folder. A parser that panics is an error of
// the file.
package model
