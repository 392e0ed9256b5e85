package ids_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/cmd/internal/ids"
)

func names(lists ...[]ids.ID) []string {
	var all []string
	for _, list := range lists {
		for _, id := range list {
			all = append(all, id.Name)
		}
	}
	slices.Sort(all)

	return all
}

// constants are the ids that the packages declare.
func constants(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, folder := range []string{"../../..", "../../../lint"} {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(node ast.Node) bool {
				if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					if value, err := strconv.Unquote(literal.Value); err == nil && isID(value) {
						all = append(all, value)
					}
				}

				return true
			})
		}
	}
	slices.Sort(all)

	return slices.Compact(all)
}

func isID(text string) bool {
	rest, ok := strings.CutPrefix(text, "USHER_")

	return ok && rest != "" && rest != "UPDATE" && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}

func TestEveryIDIsListed(t *testing.T) {
	listed := names(ids.Lint, ids.Breaking)
	if len(slices.Compact(slices.Clone(listed))) != len(listed) {
		t.Errorf("an id is listed twice: %s", listed)
	}
	for _, id := range constants(t) {
		if !slices.Contains(listed, id) {
			t.Errorf("%s isn't listed", id)
		}
	}
}

func TestThePageListsEveryID(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Concat(ids.Lint, ids.Breaking) {
		if row := fmt.Sprintf("| `%s` | %s |\n", id.Name, id.Purpose); !strings.Contains(string(page), row) {
			t.Errorf("README.md lacks the row\n%s", row)
		}
	}
}

func TestKnownRefusesWhatIsNone(t *testing.T) {
	if err := ids.Known(names(ids.Lint)); err != nil {
		t.Error(err)
	}
	if err := ids.Known([]string{"USHER_REASONS"}); err == nil || !strings.Contains(err.Error(), "USHER_REASON,") {
		t.Error(err)
	}
}

func ExampleKnown() {
	fmt.Println(ids.Known([]string{"USHER_REASON", "USHER_FIELD_READ"}))
	// Output: <nil>
}
