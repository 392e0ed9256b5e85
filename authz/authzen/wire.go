package authzen

import (
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
	"github.com/usher-auth/usher/authz/internal/httpapi"
)

// maxName bounds types, ids and relations, in bytes. AuthZEN has no limit of its
// own; this one is above that of any server known, and keeps a request small.
const maxName = 1024

// entity is AuthZEN's subject and resource (§5.1, §5.3).
type entity struct {
	Type       string           `json:"type"`
	ID         string           `json:"id"`
	Properties *structpb.Struct `json:"properties,omitempty"`
}

// action is AuthZEN's action (§5.2).
type action struct {
	Name       string           `json:"name"`
	Properties *structpb.Struct `json:"properties,omitempty"`
}

// evaluation is a request (§6.1), and an item of evaluations (§7.1).
type evaluation struct {
	Subject  entity           `json:"subject"`
	Action   action           `json:"action"`
	Resource entity           `json:"resource"`
	Context  *structpb.Struct `json:"context,omitempty"`
}

type evaluations struct {
	Evaluations []evaluation `json:"evaluations"`
	Options     options      `json:"options"`
}

type options struct {
	Semantic string `json:"evaluations_semantic"`
}

// ValidateQuery refuses, without I/O, what AuthZEN can't express or what a server
// could read differently: a userset, a wildcard, ids that hold a colon, a hash,
// white space or control characters (servers join type and id), and anything above
// 1024 bytes.
func (e *Engine) ValidateQuery(q authz.Query) error {
	if q.Subject.Relation != "" {
		return misconfigured("AuthZEN has no usersets: a subject can't have a relation")
	}

	return httpapi.ValidateQuery("authzen", q, maxName)
}

func (e *Engine) evaluation(q authz.Query) (evaluation, error) {
	if err := e.ValidateQuery(q); err != nil {
		return evaluation{}, err
	}
	out := evaluation{
		Subject:  entity{Type: q.Subject.Type, ID: q.Subject.ID},
		Action:   action{Name: q.Relation},
		Resource: entity{Type: q.Object.Type, ID: q.Object.ID},
	}
	var properties Properties
	if e.config.Properties != nil {
		properties = e.config.Properties(q)
	}
	for _, part := range [...]struct {
		from map[string]any
		to   **structpb.Struct
	}{
		{q.Context, &out.Context},
		{properties.Subject, &out.Subject.Properties},
		{properties.Action, &out.Action.Properties},
		{properties.Resource, &out.Resource.Properties},
	} {
		converted, err := adapter.Struct(part.from)
		if err != nil {
			return evaluation{}, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("authzen: context %w", err)}
		}
		*part.to = converted
	}

	return out, nil
}
