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
