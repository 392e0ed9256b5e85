package spicedb_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/spicedb"
)

// hollow is a client that returns what it holds and never an error, as one in this
// process may.
type hollow struct {
	check *v1.CheckPermissionResponse
	// bulk makes the pair that answers an item.
	bulk func(*v1.CheckBulkPermissionsRequestItem) *v1.CheckBulkPermissionsPair
}

func (h hollow) CheckPermission(context.Context, *v1.CheckPermissionRequest, ...grpc.CallOption) (*v1.CheckPermissionResponse, error) {
	return h.check, nil
}

func (h hollow) CheckBulkPermissions(_ context.Context, in *v1.CheckBulkPermissionsRequest, _ ...grpc.CallOption) (*v1.CheckBulkPermissionsResponse, error) {
	if h.bulk == nil {
		return nil, nil
	}
	out := &v1.CheckBulkPermissionsResponse{}
	for _, item := range in.GetItems() {
		out.Pairs = append(out.Pairs, h.bulk(item))
	}

	return out, nil
}

func TestHostileAnswers(t *testing.T) {
	grant := &v1.CheckBulkPermissionsPair_Item{Item: &v1.CheckBulkPermissionsResponseItem{Permissionship: has}}
	lacking := &v1.PartialCaveatInfo{MissingRequiredContext: []string{"region"}}
	another := func(change func(*v1.CheckBulkPermissionsRequestItem)) func(*v1.CheckBulkPermissionsRequestItem) *v1.CheckBulkPermissionsPair {
		return func(item *v1.CheckBulkPermissionsRequestItem) *v1.CheckBulkPermissionsPair {
			other := proto.CloneOf(item)
			change(other)

			return &v1.CheckBulkPermissionsPair{Request: other, Response: grant}
		}
	}
	for name, client := range map[string]hollow{
		"row 59: nothing": {},
		"row 59: an empty answer": {check: &v1.CheckPermissionResponse{}, bulk: func(i *v1.CheckBulkPermissionsRequestItem) *v1.CheckBulkPermissionsPair {
			return &v1.CheckBulkPermissionsPair{Request: i}
		}},
		"row 59: a pair that isn't one": {bulk: func(*v1.CheckBulkPermissionsRequestItem) *v1.CheckBulkPermissionsPair { return nil }},
		"row 59: a grant of nothing asked": {bulk: func(*v1.CheckBulkPermissionsRequestItem) *v1.CheckBulkPermissionsPair {
			return &v1.CheckBulkPermissionsPair{Response: grant}
		}},
		"row 59: a grant that lacks context": {
			check: &v1.CheckPermissionResponse{Permissionship: has, PartialCaveatInfo: lacking},
			bulk: func(i *v1.CheckBulkPermissionsRequestItem) *v1.CheckBulkPermissionsPair {
				return &v1.CheckBulkPermissionsPair{Request: i, Response: &v1.CheckBulkPermissionsPair_Item{Item: &v1.CheckBulkPermissionsResponseItem{
					Permissionship: has, PartialCaveatInfo: lacking,
				}}}
			},
		},
		"row 59: a result that nobody knows": {check: &v1.CheckPermissionResponse{Permissionship: 99}},
		"row 59: an error of nothing": {bulk: func(i *v1.CheckBulkPermissionsRequestItem) *v1.CheckBulkPermissionsPair {
			return &v1.CheckBulkPermissionsPair{Request: i, Response: &v1.CheckBulkPermissionsPair_Error{}}
		}},
		"row 59: about another subject":          {bulk: another(func(i *v1.CheckBulkPermissionsRequestItem) { i.Subject.Object.ObjectId = "bob" })},
		"row 59: about another kind of subject":  {bulk: another(func(i *v1.CheckBulkPermissionsRequestItem) { i.Subject.Object.ObjectType = "team" })},
		"row 59: about a userset of the subject": {bulk: another(func(i *v1.CheckBulkPermissionsRequestItem) { i.Subject.OptionalRelation = "member" })},
		"row 59: about another object":           {bulk: another(func(i *v1.CheckBulkPermissionsRequestItem) { i.Resource.ObjectId = "other" })},
		"row 59: about another relation":         {bulk: another(func(i *v1.CheckBulkPermissionsRequestItem) { i.Permission = "owner" })},
	} {
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d queries", name, n), func(t *testing.T) {
				e, err := spicedb.New(spicedb.Config{Client: client})
				if err != nil {
					t.Fatal(err)
				}
				result, err := e.Check(deadline(t), queries(n))
				if err != nil {
					wantFault(t, err, authz.EngineUnavailable)
				}
				for i, a := range result.Answers {
					if a.Effect != authz.EffectUnknown || err == nil && a.Err == nil {
						t.Errorf("row 59: answer %d is %v, %v", i, a.Effect, a.Err)
					}
				}
			})
		}
	}
}

// A wait that an engine asks for is bounded before callers are told of it.
func TestRetryInfoIsBounded(t *testing.T) {
	for delay, want := range map[time.Duration]time.Duration{
		7 * time.Second: 7 * time.Second, 24 * time.Hour: 30 * time.Second, -time.Second: 0,
	} {
		st, err := status.New(codes.Unavailable, "upstream-secret").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
		if err != nil {
			t.Fatal(err)
		}
		e := engine(t, &front{check: func(context.Context, *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
			return nil, st.Err()
		}})
		_, err = e.Check(deadline(t), queries(1))
		if fault := wantFault(t, err, authz.EngineUnavailable); fault.RetryAfter != want {
			t.Errorf("row 61: %v for a delay of %v, want %v", fault.RetryAfter, delay, want)
		}
	}
}
