package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/examples/quickstart/demo/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = 2 * time.Minute

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

func TestMainJobPrintsWhatTheModelSays(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Run(deadline(t), nil, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit %d\n%s\n%s", code, out.String(), errs.String())
	}
	t.Log("\n" + out.String())
	for line := range strings.SplitSeq(out.String(), "\n") {
		if len(line) > 112 && !strings.HasPrefix(line, "authorization server") {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	for _, m := range truth {
		for _, name := range services {
			if !strings.Contains(out.String(), fmt.Sprintf("  %-15s %-8s ", m.name, name)) {
				t.Errorf("no row for %s and %s", name, m.name)
			}
		}
	}
	if !strings.Contains(out.String(), "Every row is what the model says.") {
		t.Error("no verdict")
	}
}

// The table must be able to fail: a relation too many is a row that differs.
func TestRowThatDiffersFailsTheJob(t *testing.T) {
	ctx := deadline(t)
	w := startWorld(t, ctx, worldConfig{})
	if err := w.engine.Write(ctx, engine.Tuple{User: "service:stranger", Relation: "viewer", Object: "document:onboarding"}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if explain(&out, w, runTable(ctx, &out, w)) {
		t.Fatal("a stranger with a right it should not have went unnoticed")
	}
	if !strings.Contains(out.String(), "! GetDocument     stranger") {
		t.Errorf("the row isn't marked:\n%s", out.String())
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"extra"}, {"--until-eof"}} {
		if code := Run(deadline(t), args, strings.NewReader(""), io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit %d, want 2", args, code)
		}
	}
}

func startWorld(t *testing.T, ctx context.Context, cfg worldConfig) *world {
	t.Helper()
	w, err := newWorld(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}
