package openfga_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/openfga"
)

// expander is a client that expands as a test says.
type expander struct {
	openfga.Client

	expand func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error)
	asked  int
}

func (e *expander) Expand(_ context.Context, r *openfgav1.ExpandRequest, _ ...grpc.CallOption) (*openfgav1.ExpandResponse, error) {
	e.asked++

	return e.expand(r)
}

func tree(node *openfgav1.UsersetTree_Node) (*openfgav1.ExpandResponse, error) {
	return &openfgav1.ExpandResponse{Tree: &openfgav1.UsersetTree{Root: node}}, nil
}

func users(users ...string) *openfgav1.UsersetTree_Node {
	return &openfgav1.UsersetTree_Node{Value: &openfgav1.UsersetTree_Node_Leaf{Leaf: &openfgav1.UsersetTree_Leaf{
		Value: &openfgav1.UsersetTree_Leaf_Users{Users: &openfgav1.UsersetTree_Users{Users: users}},
	}}}
}

func union(nodes ...*openfgav1.UsersetTree_Node) *openfgav1.UsersetTree_Node {
	return &openfgav1.UsersetTree_Node{Value: &openfgav1.UsersetTree_Node_Union{Union: &openfgav1.UsersetTree_Nodes{Nodes: nodes}}}
}

func explaining(t *testing.T, expand func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error)) (*openfga.Engine, *expander) {
	t.Helper()
	client := &expander{expand: expand, Client: dial(t, &front{
		check: func(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
			return &openfgav1.CheckResponse{Allowed: false}, nil
		},
		batch: allowAll,
	})}
	e, err := openfga.New(openfga.Config{Client: client, StoreID: storeID, ModelID: modelID})
	if err != nil {
		t.Fatal(err)
	}

	return e, client
}

// text is a trace as lines.
func text(trace *authz.Trace, indent string) string {
	if trace == nil {
		return ""
	}
	lines := indent + trace.String()
	if trace.Omitted > 0 {
		lines += fmt.Sprintf(" +%d", trace.Omitted)
	}
	lines += "\n"
	for _, step := range trace.Steps {
		lines += text(step, indent+"  ")
	}

	return lines
}

func TestExplainNamesNoOtherSubject(t *testing.T) {
	e, _ := explaining(t, func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) {
		return tree(users("user:bob", "user:carol", "user:*", "user:ann"))
	})
	explanation, err := e.Explain(deadline(t), query("1"), authz.Consistency{})
	if err != nil {
		t.Fatal(err)
	}
	want := `document:1#viewer@user:ann denied
  user:*: a tuple names all subjects of the type
  user:ann: a tuple names the subject
  2 tuples name other subjects
`
	if got := text(explanation.Trace, ""); got != want || explanation.Answer.Effect != authz.EffectDenied {
		t.Errorf("%+v\n%swant\n%s", explanation.Answer, got, want)
	}
}

func TestExplainBoundsHostileExpansions(t *testing.T) {
	deep := users("user:ann")
	for range 2000 {
		deep = union(deep)
	}
	var wide []*openfgav1.UsersetTree_Node
	for i := range 20_000 {
		wide = append(wide, users(fmt.Sprintf("team:%d#member", i)))
	}
	next := 0
	for name, expand := range map[string]func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error){
		"a cycle": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) {
			return tree(users("document:1#viewer", "document:1#viewer"))
		},
		"a chain without an end": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) {
			next++

			return tree(users(fmt.Sprintf("team:%d#member", next), fmt.Sprintf("team:x%d#member", next)))
		},
		"deep": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) { return tree(deep) },
		"wide": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) { return tree(union(wide...)) },
		"odd usersets": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) {
			return tree(users("#", ":#", "a#b", "a:#b", "a:b#"))
		},
		"nothing": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) { return nil, nil }, //nolint:nilnil // what a broken client returns
		"an empty node": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) {
			return tree(&openfgav1.UsersetTree_Node{})
		},
		"a nil in a union": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) { return tree(union(nil, nil)) },
		"a control char": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) {
			return tree(users("team:\x1b[2J#member"))
		},
		"an error with text": func(*openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) {
			return nil, status.Error(codes.Internal, upstreamText)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, client := explaining(t, expand)
			explanation, err := e.Explain(deadline(t), query("1"), authz.Consistency{})
			if err != nil {
				t.Fatal(err)
			}
			got := text(explanation.Trace, "")
			if explanation.Answer.Effect != authz.EffectDenied || client.asked > 32 || strings.Count(got, "\n") > authz.MaxTraceNodes ||
				strings.Contains(got, "upstream-secret") || strings.Contains(got, "\x1b") {
				t.Errorf("%v after %d requests:\n%.2000s", explanation.Answer, client.asked, got)
			}
		})
	}
}

func TestExplainWithoutExpand(t *testing.T) {
	plain := struct{ openfga.Client }{dial(t, &front{check: func(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
		return &openfgav1.CheckResponse{Allowed: true}, nil
	}})}
	e, err := openfga.New(openfga.Config{Client: plain, StoreID: storeID, ModelID: modelID})
	if err != nil {
		t.Fatal(err)
	}
	explanation, err := e.Explain(deadline(t), query("1"), authz.Consistency{})
	if err != nil || explanation.Answer.Effect != authz.EffectAllowed || explanation.Trace != nil {
		t.Errorf("%+v, %v", explanation, err)
	}
	bad := query("1")
	bad.Kind = authz.QueryPermission
	_, err = e.Explain(deadline(t), bad, authz.Consistency{})
	wantFault(t, err, authz.EngineMisconfigured)
}
