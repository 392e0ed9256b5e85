package lumoauth

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
	"github.com/usher-auth/usher/authz/internal/httpapi"
)

// maxBulk is how many questions a request to a bulk endpoint may hold (LumoAuth's own
// limit).
const maxBulk = 100

// bulk asks a batch at one of LumoAuth's native bulk endpoints. A request is about one
// subject and holds one context.
type bulk struct {
	http *httpapi.Client
	kind authz.QueryKind
	// validate refuses what the endpoint can't be asked.
	validate func(authz.Query) error
	// shared returns what the queries of one request have in common beside the
	// subject. Its JSON tells requests apart.
	shared func(authz.Query) (map[string]any, error)
	// ask sends one request and sets the answers at the places of its queries.
	ask func(ctx context.Context, request bulkRequest) error
}

// bulkRequest is the queries of one request.
type bulkRequest struct {
	shared  map[string]any
	queries []authz.Query
	answers []*authz.Answer
}

func (r bulkRequest) subject() authz.Subject { return r.queries[0].Subject }

func (b bulk) batch(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if len(batch.Queries) == 0 {
		return authz.Result{}, nil
	}
	if batch.Consistency.Mode != authz.ModeMinimizeLatency {
		return authz.Result{}, misconfigured("LumoAuth has no consistency to ask for")
	}
	answers := make([]authz.Answer, len(batch.Queries))
	requests := b.requests(batch.Queries, answers)
	asked := make([]authz.Answer, len(requests))
	err := adapter.Chunks(ctx, asked, 1, b.http.Parallel(), func(ctx context.Context, lo, _ int) error {
		return b.ask(ctx, requests[lo])
	})
	for i, request := range requests {
		if asked[i].Err == nil {
			continue
		}
		for _, answer := range request.answers {
			*answer = authz.Answer{Err: asked[i].Err}
		}
	}

	return authz.Result{Answers: answers}, err
}

// requests groups the queries. A query that is refused gets its error.
func (b bulk) requests(queries []authz.Query, answers []authz.Answer) []bulkRequest {
	type key struct {
		subject authz.Subject
		shared  string
	}
	var requests []bulkRequest
	open := make(map[key]int)
	for i, q := range queries {
		shared, encoded, err := b.refusedOrShared(q)
		if err != nil {
			answers[i].Err = err

			continue
		}
		at, ok := open[key{q.Subject, encoded}]
		if !ok || len(requests[at].queries) == maxBulk {
			at = len(requests)
			open[key{q.Subject, encoded}] = at
			requests = append(requests, bulkRequest{shared: shared})
		}
		requests[at].queries = append(requests[at].queries, q)
		requests[at].answers = append(requests[at].answers, &answers[i])
	}

	return requests
}

func (b bulk) refusedOrShared(q authz.Query) (shared map[string]any, encoded string, err error) {
	if err := adapter.WrongKind("lumoauth", q, b.kind); err != nil {
		return nil, "", err
	}
	if err := b.validate(q); err != nil {
		return nil, "", err
	}
	if shared, err = b.shared(q); err != nil {
		return nil, "", err
	}
	text, err := json.Marshal(shared)
	if err != nil {
		return nil, "", misconfigured("context that JSON does not have")
	}

	return shared, string(text), nil
}

// values returns context or properties as JSON has them.
func values(what string, from map[string]any) (map[string]any, error) {
	converted, err := adapter.Struct(from)
	if err != nil {
		return nil, misconfigured(what + ": " + err.Error())
	}

	return converted.AsMap(), nil
}

func misconfigured(text string) error {
	return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New("lumoauth: " + text)}
}
