package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/e2e/engines/openfgaserver"
)

// TestAuthZENContext shows what AuthZEN can do of conditions: context travels,
// and its absence is an error and no denial.
func TestAuthZENContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s := openfgaserver.Start(t, openfgaserver.SuiteModel, openfgaserver.AuthZEN())
	_, err := openfgaserver.Writer{Server: s}.Write(ctx, authztest.MustTuples("document:1#guest@user:bob[on_network]")...)
	fatal(t, err)
	engine, err := authzen.New(authzen.Config{BaseURL: s.ServeAuthZEN(t)})
	fatal(t, err)
	defer func() { fatal(t, engine.Close()) }()

	query := authz.Query{Object: authz.Object{Type: "document", ID: "1"}, Relation: "visit", Subject: authz.Subject{Type: "user", ID: "bob"}}
	trusted, untrusted := query, query
	trusted.Context = map[string]any{"trusted": true}
	untrusted.Context = map[string]any{"trusted": false}
	for _, queries := range [][]authz.Query{{trusted, untrusted, query}, {trusted}, {untrusted}} {
		result, err := engine.Check(ctx, authz.Batch{Queries: queries})
		fatal(t, err)
		for i, answer := range result.Answers {
			switch queries[i].Context["trusted"] {
			case true:
				if answer.Effect != authz.EffectAllowed {
					t.Errorf("on the network: %+v", answer)
				}
			case false:
				if answer.Effect != authz.EffectDenied || answer.Err != nil {
					t.Errorf("off the network: %+v", answer)
				}
			default:
				var fault *authz.EngineError
				if !errors.As(answer.Err, &fault) || fault.Kind != authz.EngineMisconfigured {
					t.Errorf("without context: %+v", answer)
				}
			}
		}
	}
}
