package cel_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
	cookbookv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/cookbook/v1"
)

// The examples below are the entries with expressions of the page cookbook.md of package
// authz. Their rules are in its internal/testproto/usher/test/cookbook.

// cookbook is an authorizer over the cookbook's services, at a time, with an engine that
// holds the tuples.
func cookbook(now time.Time, tuples ...string) *authz.Authorizer {
	expressions, err := cel.New(cel.Config{})
	if err != nil {
		panic(err)
	}
	authorizer, err := authz.New(authz.Config{
		Expressions: expressions,
		Engine:      authztest.NewEngine(tuples...),
		Subjects:    authz.Subjects{User: "user:{$sub}"},
		Issuers:     authz.Issuers{"test"},
		Now:         func() time.Time { return now },
	})
	if err != nil {
		panic(err)
	}

	return authorizer
}

// try returns what becomes of one call.
func try(authorizer *authz.Authorizer, method string, call authz.Call) string {
	_, err := authorizer.Method("/usher.test.cookbook.v1.ExpressionsService/"+method).Authorize(context.Background(), &call)
	if refused := (*authz.Error)(nil); errors.As(err, &refused) {
		return string(refused.Reason)
	}
	if err != nil {
		return err.Error()
	}

	return "allowed"
}

func Example_cookbookOfficeHours() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	for _, at := range []struct {
		hour, day int
		address   string
	}{
		{10, 2, "10.1.2.3"},
		{7, 2, "10.1.2.3"},
		{18, 2, "10.1.2.3"},
		{10, 5, "10.1.2.3"}, // a Saturday
		{10, 2, "203.0.113.9"},
		{10, 2, ""}, // unknown: the expression fails, which denies
	} {
		now := time.Date(2030, 1, at.day, at.hour, 0, 0, 0, berlin)
		call := authz.Call{Principal: authztest.User("alice"), Message: &cookbookv1.OpenSafeRequest{}}
		if at.address != "" {
			call.PeerIP = netip.MustParseAddr(at.address)
		}
		fmt.Println(now.Format("Mon 15:04"), at.address, try(cookbook(now), "OpenSafe", call))
	}
	// Output:
	// Wed 10:00 10.1.2.3 allowed
	// Wed 07:00 10.1.2.3 RELATION_DENIED
	// Wed 18:00 10.1.2.3 RELATION_DENIED
	// Sat 10:00 10.1.2.3 RELATION_DENIED
	// Wed 10:00 203.0.113.9 RELATION_DENIED
	// Wed 10:00  RELATION_DENIED
}

func Example_cookbookAmounts() {
	payments := cookbook(time.Time{})
	alice, bob := authztest.User("alice", authztest.Claims{"department": "finance"}), authztest.User("bob")
	for _, amount := range []int64{1000, 1001, 50_001, 0} {
		request := proto.Message(&cookbookv1.PayRequest{Amount: amount})
		fmt.Println(amount,
			try(payments, "Pay", authz.Call{Principal: alice, Message: request}),
			try(payments, "Pay", authz.Call{Principal: bob, Message: request}))
	}
	// Output:
	// 1000 allowed allowed
	// 1001 allowed RELATION_DENIED
	// 50001 RELATION_DENIED RELATION_DENIED
	// 0 RELATION_DENIED RELATION_DENIED
}

func Example_cookbookRelationAndExpression() {
	documents := cookbook(time.Time{}, "document:1#owner@user:alice")
	for _, who := range []string{"alice", "bob"} {
		for _, email := range []string{"guest@partner.example", "guest@elsewhere.example", ""} {
			fmt.Printf("%s %q %s\n", who, email, try(documents, "InviteGuest", authz.Call{
				Principal: authztest.User(who), Message: &cookbookv1.InviteGuestRequest{DocumentId: "1", Email: email},
			}))
		}
	}
	// Output:
	// alice "guest@partner.example" allowed
	// alice "guest@elsewhere.example" RELATION_DENIED
	// alice "" RELATION_DENIED
	// bob "guest@partner.example" RELATION_DENIED
	// bob "guest@elsewhere.example" RELATION_DENIED
	// bob "" RELATION_DENIED
}
