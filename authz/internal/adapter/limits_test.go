package adapter_test

import (
	"testing"
	"time"

	"github.com/usher-auth/usher/authz/internal/adapter"
)

func TestLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		limits adapter.Limits
		want   adapter.Limits // zero: refused
	}{
		"defaults":              {adapter.Limits{}, adapter.Limits{BatchSize: 50, Parallelism: 4, Timeout: 3 * time.Second}},
		"the least":             {adapter.Limits{BatchSize: 1, Parallelism: 1, Timeout: 1}, adapter.Limits{BatchSize: 1, Parallelism: 1, Timeout: 1}},
		"the most":              {adapter.Limits{BatchSize: 10_000, Parallelism: 64, Timeout: time.Hour}, adapter.Limits{BatchSize: 10_000, Parallelism: 64, Timeout: time.Hour}},
		"a negative batch size": {adapter.Limits{BatchSize: -1}, adapter.Limits{}},
		"too large a batch":     {adapter.Limits{BatchSize: 10_001}, adapter.Limits{}},
		"negative parallelism":  {adapter.Limits{Parallelism: -1}, adapter.Limits{}},
		"too much parallelism":  {adapter.Limits{Parallelism: 65}, adapter.Limits{}},
		"a negative timeout":    {adapter.Limits{Timeout: -1}, adapter.Limits{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.limits
			if err := got.Check("engine", 50); (err != nil) != (tc.want == adapter.Limits{}) || err == nil && got != tc.want {
				t.Errorf("%+v, %v, want %+v", got, err, tc.want)
			}
		})
	}
}
