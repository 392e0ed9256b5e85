package model_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz/cmd/internal/model"
)

func TestAConditionOfManyLinesIsRefusedSoon(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model.fga")
	text := "model\n  schema 1.1\ntype user\ncondition c(x: int) {\n" + strings.Repeat("x < 1 ||\n", 100_000) + "x < 2\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := model.Load(t.Context(), file, model.Config{}); err == nil || !strings.Contains(err.Error(), "longer than") || time.Since(begun) > 5*time.Second {
		t.Error(err, time.Since(begun))
	}
}
