package authztest

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/usher-auth/usher/authz"
)

// Expected is what a row expects. The zero value is no expectation, which is an error.
type Expected string

// Allowed expects that the call is allowed.
const Allowed Expected = "ALLOWED"

// Refused expects a refusal with this reason.
func Refused(reason authz.Reason) Expected { return Expected(reason) }

// Row is one call and its expected outcome.
type Row struct {
	// Name names the row's test. Optional. Default: the expectation and the caller.
	Name string
	// Principal is the caller. If it is nil, the call has no credential, and is
	// refused with TOKEN_MISSING unless the method is public, as by a server.
	Principal authz.Principal
	// Method is the method's name within the table's service. Required.
	Method string
	// Request is the message. Optional.
	Request proto.Message
	// PeerIP is the caller's address, which rules read as peer.ip. Optional. Default:
	// it isn't known.
	PeerIP netip.Addr
	// Want is the expectation. Required.
	Want Expected
}

// Table tests the rules of a whole service. A method without a row is a failure,
// since no row tests its rule. A rule that doesn't compile is a failure too.
type Table struct {
	// Authorizer decides. Required.
	Authorizer *authz.Authorizer
	// Service is the service's full name, as in "docs.v1.DocumentService".
	// Required.
	Service string
	// Rows are the calls. Required.
	Rows []Row
	// Files has the service's descriptor. Optional. Default: the linked files.
	Files *protoregistry.Files
}

// Run runs each row as a subtest.
func (table Table) Run(t *testing.T) {
	t.Helper()
	missing := table.methods(t)
	for _, row := range table.Rows {
		delete(missing, row.Method)
		name := row.Name
		if name == "" {
			name = row.Method + " " + describe(row.Principal) + " " + string(row.Want)
		}
		t.Run(name, func(t *testing.T) { table.row(t, row) })
	}
	for method := range missing {
		t.Errorf("%s/%s has no row", table.Service, method)
	}
}

// methods validates the service's rules and returns the names of its methods.
func (table Table) methods(t *testing.T) map[string]bool {
	t.Helper()
	files := table.Files
	if files == nil {
		files = protoregistry.GlobalFiles
	}
	found, err := files.FindDescriptorByName(protoreflect.FullName(table.Service))
	if err != nil {
		t.Fatalf("service %s: %v", table.Service, err)
	}
	service, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		t.Fatalf("%s is no service", table.Service)
	}
	names := map[string]bool{}
	full := []string{}
	for i := range service.Methods().Len() {
		name := string(service.Methods().Get(i).Name())
		names[name] = true
		full = append(full, "/"+table.Service+"/"+name)
	}
	if err := table.Authorizer.ValidateMethods(full...); err != nil {
		t.Errorf("rules of %s:\n%v", table.Service, err)
	}

	return names
}

func (table Table) row(t *testing.T, row Row) {
	t.Helper()
	if row.Want == "" {
		t.Fatal("the row expects nothing: set Want to Allowed or Refused(reason)")
	}
	if row.Method == "" || strings.Contains(row.Method, "/") {
		t.Fatalf("method %q isn't a method's name within %s", row.Method, table.Service)
	}
	decision, err := table.Authorizer.Method("/"+table.Service+"/"+row.Method).Authorize(t.Context(), &authz.Call{
		Principal: row.Principal, Message: row.Request, PeerIP: row.PeerIP,
	})
	got := Allowed
	if err != nil {
		var refused *authz.Error
		if !errors.As(err, &refused) {
			t.Fatalf("no decision: %v", err)
		}
		got = Refused(refused.Reason)
	}
	if got != row.Want {
		t.Errorf("got %s, want %s\n%v\n%v", got, row.Want, decision, err)
	}
}

func describe(principal authz.Principal) string {
	switch {
	case principal == nil:
		return "nobody"
	case principal.IsService():
		return "service " + principal.ClientID()
	default:
		return "user " + principal.Subject()
	}
}
