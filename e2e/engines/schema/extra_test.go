package schema

import (
	"context"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// asking is an engine that can tell its schema.
type asking struct {
	authz.Engine
	*target
}

func (a asking) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return a.Engine.Check(ctx, batch)
}

func (a asking) ReadSchema(ctx context.Context) (*schema.Schema, error) { return a.reader.ReadSchema(ctx) }

// A context that no condition takes stops no call: engines ignore it. So it doesn't stop a
// server from starting either, as when the model lost the condition.
func TestContextThatNothingTakesStopsNoServer(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *target{
		"OpenFGA": func(t *testing.T) *target { return startOpenFGA(t, fgaModel) },
		"SpiceDB": func(t *testing.T) *target { return startSpiceDB(t, zedSchema) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			engine := start(t)
			engine.write(ctx, t, "document:1#owner@user:alice", "document:1#dated@user:alice[fresh]")
			with := func(relation string, values ...*authzv1.ContextValue) *authzv1.Rule {
				return &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: "document:{id}", Relation: relation, Context: values}}}
			}
			now, level := &authzv1.ContextValue{Name: "now", Value: "{$now}"}, &authzv1.ContextValue{Name: "level", Value: "3"}
			extra := &authzv1.ContextValue{Name: "extra", Value: "x"}
			files, input := service(t, map[string]*authzv1.Rule{"Owner": with("owner", now, extra), "Dated": with("dated", now, level, extra)})
			a := authorizer(t, asking{engine.asked(), engine}, files)
			request := dynamicpb.NewMessage(input)
			request.Set(input.Fields().ByName("id"), protoreflect.ValueOfString("1"))
			for _, m := range a.Policy().Methods {
				if _, err := a.Authorize(ctx, "/"+m.Method, authztest.User("alice"), request); err != nil {
					t.Errorf("%s: %v", m.Method, err)
				}
				if err := a.Ready(ctx, m.Method); err != nil {
					t.Errorf("%s isn't ready: %v", m.Method, err)
				}
			}
		})
	}
}
