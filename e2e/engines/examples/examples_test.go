// Package examples runs the examples of every engine as their readers do.
package examples

import (
	"bytes"
	"context"
	"os/exec"
	"testing"
	"time"
)

// want has the decisions that follow from the model, worked out by hand. They are the
// same for every engine.
const want = `reader   GetDocument    document:onboarding allowed
reader   GetDocument    document:holidays   allowed
reader   UpdateDocument document:holidays   denied
writer   GetDocument    document:onboarding allowed
writer   GetDocument    document:holidays   allowed
writer   UpdateDocument document:holidays   allowed
stranger GetDocument    document:onboarding denied
stranger GetDocument    document:holidays   allowed
stranger UpdateDocument document:holidays   denied
`

func TestExamples(t *testing.T) {
	for _, engine := range []string{"openfga", "authzen", "lumoauth", "spicedb"} {
		t.Run(engine, func(t *testing.T) {
			// A first build of SpiceDB takes minutes.
			ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, "go", "run", "./"+engine)
			command.Dir = "../../../examples/engines"
			var out, problems bytes.Buffer
			command.Stdout, command.Stderr = &out, &problems
			if err := command.Run(); err != nil {
				t.Fatalf("%v\n%s", err, problems.String())
			}
			if out.String() != want {
				t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
			}
		})
	}
}
