package authztest_test

import (
	"context"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
)

func TestEnginePassesTheSuite(t *testing.T) {
	authztest.Suite{
		New: func(testing.TB) (authz.Engine, authztest.Writer) {
			engine := authztest.NewModelEngine(authztest.SuiteModel())

			return engine, engine
		},
		Hanging: func(testing.TB) authz.Engine {
			return authz.EngineFunc(func(ctx context.Context, _ authz.Batch) (authz.Result, error) {
				<-ctx.Done()

				return authz.Result{}, ctx.Err()
			})
		},
	}.Run(t)
}

func TestEnginePassesThePermissionSuite(t *testing.T) {
	authztest.PermissionSuite{
		New: func(_ testing.TB, grants ...authztest.Permission) authz.PermissionEngine {
			engine := authztest.NewEngine()
			engine.Grant(grants...)

			return engine
		},
	}.Run(t)
}

func TestEnginePassesTheAttributeSuite(t *testing.T) {
	authztest.AttributeSuite{
		New: func(_ testing.TB, tuples ...authztest.Tuple) authz.AttributeEngine {
			engine := authztest.NewEngine()
			engine.SetPolicy(authztest.SuitePolicy(tuples...))

			return engine
		},
	}.Run(t)
}

func TestNewModelEngineRefuses(t *testing.T) {
	for _, through := range []string{"", "parent", "->view", "parent->"} {
		t.Run(through, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("an engine")
				}
			}()
			authztest.NewModelEngine(authztest.Model{"folder": {"view": {Through: []string{through}}}})
		})
	}
}
