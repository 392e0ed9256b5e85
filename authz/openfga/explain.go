package openfga

import (
	"context"
	"errors"
	"fmt"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

var _ authz.Explainer = (*Engine)(nil)

// Expander is an optional interface of a [Client], which [Engine.Explain] needs for a
// trace. [openfgav1.OpenFGAServiceClient] and [Embedded] implement it.
type Expander interface {
	Expand(ctx context.Context, in *openfgav1.ExpandRequest, opts ...grpc.CallOption) (*openfgav1.ExpandResponse, error)
}

const (
	// maxExpanded is how many Expand requests one explanation makes.
	maxExpanded = 32
	// maxExpandDepth is how many relations deep they go.
	maxExpandDepth = 10
	// maxTreeDepth bounds how deep one tree of OpenFGA is read. Its models nest far less.
	maxTreeDepth = authz.MaxTraceDepth
)

// Explain asks OpenFGA one query, and for a trace how the relation is made up: OpenFGA has
// no trace of a check, so the relation is expanded, at most 32 times and 10 relations deep,
// and every relation that is met on the way is checked for the same subject. Tuples about
// other subjects are counted and not named. Conditions of tuples aren't in OpenFGA's
// expansion: only the effect of the relation shows them. If a request for the trace
// fails, the trace says so and ends there.
func (e *Engine) Explain(ctx context.Context, query authz.Query, consistency authz.Consistency) (authz.Explanation, error) {
	if err := adapter.WrongKind("openfga", query, authz.QueryRelation); err != nil {
		return authz.Explanation{}, err
	}
	result, err := e.Check(ctx, authz.Batch{Queries: []authz.Query{query}, Consistency: consistency})
	if err != nil {
		return authz.Explanation{}, adapter.EngineError(err)
	}
	explanation := authz.Explanation{Answer: result.Answers[0], CheckedAt: result.CheckedAt}
	expander, ok := e.client.(Expander)
	if !ok || explanation.Answer.Err != nil {
		return explanation, nil //nolint:nilerr // the fault is the answer's own
	}
	ctx = adapter.WithoutOutgoing(ctx)
	modelID, err := e.pinned(ctx)
	if err != nil {
		return authz.Explanation{}, adapter.EngineError(err)
	}
	x := &expansion{engine: e, expander: expander, modelID: modelID, query: query, seen: map[string]bool{}}
	if consistency.Mode != authz.ModeMinimizeLatency {
		x.consistency = openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
	}
	explanation.Trace = x.relation(ctx, query.Object, query.Relation, maxExpandDepth)
	x.check(ctx, consistency)
	// The root is the query, whose answer is known.
	explanation.Trace.Effect, explanation.Trace.Missing = explanation.Answer.Effect, explanation.Answer.Missing
	explanation.Trace = explanation.Trace.Bounded()

	return explanation, nil
}

// expansion is how one query's relation is made up.
type expansion struct {
	engine      *Engine
	expander    Expander
	modelID     string
	consistency openfgav1.ConsistencyPreference
	query       authz.Query
	// asked counts the requests, and seen has the relations that are expanded.
	asked int
	seen  map[string]bool
	// open are the steps whose effect isn't known yet.
	open []*authz.Trace
}

// relation expands a relation of an object.
func (x *expansion) relation(ctx context.Context, object authz.Object, relation string, depth int) *authz.Trace {
	step := &authz.Trace{Object: object, Relation: relation, Subject: x.query.Subject}
	x.open = append(x.open, step)
	name := object.String() + "#" + relation
	switch {
	case x.seen[name]:
		step.Detail = "see above"
	case depth == 0 || x.asked >= maxExpanded:
		step.Omitted = 1
	default:
		x.seen[name] = true
		x.asked++
		tree, err := x.expand(ctx, object.String(), relation)
		if err != nil {
			step.Detail = err.Error()

			break
		}
		x.node(ctx, step, tree, depth, maxTreeDepth)
	}

	return step
}

func (x *expansion) expand(ctx context.Context, object, relation string) (*openfgav1.UsersetTree_Node, error) {
	in := &openfgav1.ExpandRequest{
		StoreId: x.engine.storeID, AuthorizationModelId: x.modelID, Consistency: x.consistency,
		TupleKey: &openfgav1.ExpandRequestTupleKey{Object: object, Relation: relation},
	}
	if x.engine.contextual != nil {
		tuples, err := x.engine.contextual(x.query)
		if err != nil {
			return nil, errors.New("openfga: the contextual tuples have an error")
		}
		in.ContextualTuples = &openfgav1.ContextualTupleKeys{TupleKeys: tuples}
	}
	request, cancel := adapter.WithTimeout(ctx, x.engine.limits.Timeout)
	defer cancel()
	response, err := x.expander.Expand(request, in)
	if err != nil {
		return nil, classify(ctx, "Expand", err)
	}
	root := response.GetTree().GetRoot()
	if root == nil {
		return nil, unusable("Expand", errors.New("no tree"))
	}

	return root, nil
}

// node adds what a node of OpenFGA's tree has to the step of its relation.
func (x *expansion) node(ctx context.Context, into *authz.Trace, node *openfgav1.UsersetTree_Node, depth, levels int) {
	if levels == 0 {
		into.Omitted++

		return
	}
	var operator authz.Operator
	var parts []*openfgav1.UsersetTree_Node
	switch value := node.GetValue().(type) {
	case *openfgav1.UsersetTree_Node_Leaf:
		x.leaf(ctx, into, value.Leaf, depth)

		return
	case *openfgav1.UsersetTree_Node_Union:
		operator, parts = authz.OperatorUnion, value.Union.GetNodes()
	case *openfgav1.UsersetTree_Node_Intersection:
		operator, parts = authz.OperatorIntersection, value.Intersection.GetNodes()
	case *openfgav1.UsersetTree_Node_Difference:
		operator, parts = authz.OperatorExclusion, []*openfgav1.UsersetTree_Node{value.Difference.GetBase(), value.Difference.GetSubtract()}
	}
	group := into
	if into.Operator != authz.OperatorNone || len(into.Steps) > 0 || into.Relation == "" {
		group = &authz.Trace{}
		into.Steps = append(into.Steps, group)
	}
	group.Operator = operator
	for _, part := range parts {
		within := &authz.Trace{}
		x.node(ctx, within, part, depth, levels-1)
		switch {
		case operator == authz.OperatorUnion:
			group.Steps = append(group.Steps, within.Steps...)
			group.Omitted += within.Omitted
		case len(within.Steps) == 1 && within.Omitted == 0:
			group.Steps = append(group.Steps, within.Steps[0])
		default:
			within.Operator = authz.OperatorUnion
			group.Steps = append(group.Steps, within)
		}
	}
}

// leaf adds the tuples of a relation, or the relations that it is computed from.
func (x *expansion) leaf(ctx context.Context, into *authz.Trace, leaf *openfgav1.UsersetTree_Leaf, depth int) {
	switch value := leaf.GetValue().(type) {
	case *openfgav1.UsersetTree_Leaf_Users:
		x.users(ctx, into, value.Users.GetUsers(), depth)
	case *openfgav1.UsersetTree_Leaf_Computed:
		x.computed(ctx, into, value.Computed.GetUserset(), depth)
	case *openfgav1.UsersetTree_Leaf_TupleToUserset:
		through := &authz.Trace{Operator: authz.OperatorUnion, Detail: "through " + value.TupleToUserset.GetTupleset()}
		for _, computed := range value.TupleToUserset.GetComputed() {
			x.computed(ctx, through, computed.GetUserset(), depth)
		}
		into.Steps = append(into.Steps, through)
	}
}

// users adds the tuples that name the subject, a wildcard of its type or a userset.
func (x *expansion) users(ctx context.Context, into *authz.Trace, users []string, depth int) {
	others := 0
	for _, user := range users {
		switch {
		case user == x.query.Subject.String():
			into.Steps = append(into.Steps, &authz.Trace{Subject: x.query.Subject, Detail: "a tuple names the subject"})
		case user == x.query.Subject.Type+":*":
			into.Steps = append(into.Steps, &authz.Trace{Subject: authz.Subject{Type: x.query.Subject.Type, ID: "*"}, Detail: "a tuple names all subjects of the type"})
		case strings.Contains(user, "#"):
			x.computed(ctx, into, user, depth)
		default:
			others++
		}
	}
	switch others {
	case 0:
	case 1:
		into.Steps = append(into.Steps, &authz.Trace{Detail: "a tuple names another subject"})
	default:
		into.Steps = append(into.Steps, &authz.Trace{Detail: fmt.Sprintf("%d tuples name other subjects", others)})
	}
}

// computed expands a userset, such as "folder:x#viewer".
func (x *expansion) computed(ctx context.Context, into *authz.Trace, userset string, depth int) {
	name, relation, hasRelation := strings.Cut(userset, "#")
	typeName, id, hasID := strings.Cut(name, ":")
	if !hasRelation || !hasID || typeName == "" || id == "" || relation == "" || len(x.open) >= authz.MaxTraceNodes {
		into.Omitted++

		return
	}
	into.Steps = append(into.Steps, x.relation(ctx, authz.Object{Type: typeName, ID: id}, relation, depth-1))
}

// maxChecked is how many of a trace's steps are checked.
const maxChecked = 100

// check asks what each step comes to, in one batch.
func (x *expansion) check(ctx context.Context, consistency authz.Consistency) {
	steps := x.open[1:min(len(x.open), maxChecked)] // the first is the query itself
	if len(steps) == 0 {
		return
	}
	queries := make([]authz.Query, len(steps))
	for i, step := range steps {
		queries[i] = authz.Query{Object: step.Object, Relation: step.Relation, Subject: x.query.Subject, Context: x.query.Context}
	}
	result, err := x.engine.Check(ctx, authz.Batch{Queries: queries, Consistency: consistency})
	for i, step := range steps {
		switch {
		case err != nil:
			step.Detail = err.Error()
		case result.Answers[i].Err != nil:
			step.Detail = result.Answers[i].Err.Error()
		default:
			step.Effect, step.Missing = result.Answers[i].Effect, result.Answers[i].Missing
		}
	}
}
