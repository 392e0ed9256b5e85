// Command llms writes authz/llms.txt: what a program that writes rules needs to know, on
// one page of text without links to follow.
//
//	go generate ./authz/internal/llms    # `make generate` runs it
//
// The page is made of what people read and tests hold: the schema's comments, the tables
// of authz/README.md, the kinds of findings of package lint, and the cookbook, whose rules
// the examples of package authz run.
package main

import (
	"fmt"
	"os"
)

//go:generate go run .

const output = "../../llms.txt"

func main() {
	text, err := page("../..")
	if err == nil {
		err = os.WriteFile(output, []byte(text), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "llms:", err)
		os.Exit(1)
	}
}
