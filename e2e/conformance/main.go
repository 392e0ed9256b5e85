// Command conformance writes README.md beside it: each fault and each kind of bad
// input that usher is held to, what it gets, and the tests that prove it.
//
//	go generate ./conformance    # in e2e; `make generate` runs it
//
// The tests are those of the table of proofs, and those in the source of every
// module that name a row. It fails if a row has no test, or a test that the table
// names doesn't exist or may skip itself. The page ends with the table of
// profiles, which is read from the source of its test.
package main

import (
	"fmt"
	"os"
)

//go:generate go run .

func main() {
	if err := run("../..", "README.md"); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(root, out string) error {
	all, err := scan(root)
	if err != nil {
		return err
	}
	text, err := page(sections, proofs, all)
	if err != nil {
		return err
	}
	table, err := profiles(root)
	if err != nil {
		return err
	}
	text += fmt.Sprintf("\n## %c. Profiles\n%s", 'A'+len(sections), table)
	const readable = 0o644
	return os.WriteFile(out, []byte(text), readable)
}
