// Command export copies usher's .proto files into a folder, for a compiler that
// looks there:
//
//	go run github.com/usher-auth/usher/proto/export third_party
//
// makes third_party/usher/authz/v1/authz.proto, of the version of usher that the
// go.mod names. Run it again after an upgrade: it overwrites what it wrote.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/usher-auth/usher/proto"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: export FOLDER")
		os.Exit(2)
	}
	written, err := export(os.Args[1])
	for _, path := range written {
		fmt.Println(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "export:", err)
		os.Exit(1)
	}
}

// export writes every file below the folder and returns their paths.
func export(folder string) ([]string, error) {
	var written []string
	err := fs.WalkDir(proto.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := proto.Files.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		target := filepath.Join(folder, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // sources are for everybody to read
			return fmt.Errorf("make the folder: %w", err)
		}
		if err := os.WriteFile(target, content, 0o644); err != nil { //nolint:gosec // sources are for everybody to read
			return fmt.Errorf("write the file: %w", err)
		}
		written = append(written, target)

		return nil
	})

	return written, err
}
