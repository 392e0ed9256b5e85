package authzen

import (
	"fmt"
	"maps"

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
// 1024 bytes. It refuses a permission that isn't limited to an object unless
// [Config.PermissionResource] is set.
func (e *Engine) ValidateQuery(q authz.Query) error {
	if q.Subject.Relation != "" {
		return misconfigured("AuthZEN has no usersets: a subject can't have a relation")
	}
	if q = e.onResource(q); q.Kind == authz.QueryPermission && q.Object == (authz.Object{}) {
		return misconfigured(fmt.Sprintf(
			"permission %q is on no object, and AuthZEN requires a resource: set PermissionResource in the engine's Config, or on in the rule", q.Relation))
	}

	return httpapi.ValidateQuery("authzen", q, maxName)
}

// onResource returns the query with the resource that it is sent with.
func (e *Engine) onResource(q authz.Query) authz.Query {
	if q.Kind == authz.QueryPermission && q.Object == (authz.Object{}) {
		q.Object = e.config.PermissionResource
	}

	return q
}

// evaluation converts a query, which must be of the kind.
func (e *Engine) evaluation(q authz.Query, kind authz.QueryKind) (evaluation, error) {
	if err := adapter.WrongKind("authzen", q, kind); err != nil {
		return evaluation{}, err
	}
	if err := e.ValidateQuery(q); err != nil {
		return evaluation{}, err
	}
	q = e.onResource(q)
	out := evaluation{
		Subject:  entity{Type: q.Subject.Type, ID: q.Subject.ID},
		Action:   action{Name: q.Relation},
		Resource: entity{Type: q.Object.Type, ID: q.Object.ID},
	}
	properties, err := e.properties(q)
	if err != nil {
		return evaluation{}, err
	}
	for _, part := range [...]struct {
		from map[string]any
		to   **structpb.Struct
		name string
	}{
		{q.Context, &out.Context, "context"},
		{properties.Subject, &out.Subject.Properties, "subject property"},
		{properties.Action, &out.Action.Properties, "action property"},
		{properties.Resource, &out.Resource.Properties, "resource property"},
	} {
		converted, err := adapter.Struct(part.from)
		if err != nil {
			return evaluation{}, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("authzen: %s %w", part.name, err)}
		}
		*part.to = converted
	}

	return out, nil
}

// properties returns the rule's properties and those of [Config.Properties]. No
// property can have two sources: the rule's may be the caller's word, and must not
// replace what the server's own code says, nor be replaced unnoticed.
func (e *Engine) properties(q authz.Query) (Properties, error) {
	var configured Properties
	if e.config.Properties != nil {
		configured = e.config.Properties(q)
	}
	if q.Properties == nil {
		return configured, nil
	}
	var err error
	for _, part := range [...]struct {
		of   string
		rule map[string]any
		to   *map[string]any
	}{
		{"subject", q.Properties.Subject, &configured.Subject},
		{"action", q.Properties.Action, &configured.Action},
		{"resource", q.Properties.Resource, &configured.Resource},
	} {
		if *part.to, err = union(part.of, part.rule, *part.to); err != nil {
			return Properties{}, err
		}
	}

	return configured, nil
}

// union returns the members of both maps, without changing either.
func union(of string, rule, configured map[string]any) (map[string]any, error) {
	switch {
	case len(rule) == 0:
		return configured, nil
	case len(configured) == 0:
		return rule, nil
	}
	both := make(map[string]any, len(rule)+len(configured))
	maps.Copy(both, configured)
	for name, value := range rule {
		if _, twice := both[name]; twice {
			return nil, misconfigured(fmt.Sprintf("property %q of the %s is in the rule and in Config.Properties: remove one", name, of))
		}
		both[name] = value
	}

	return both, nil
}
