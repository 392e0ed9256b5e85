package authz_test

import (
	"testing"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A pointer to ClaimPermissions is ClaimPermissions, too: it implements the interface,
// and can't be asked.
func TestAPointerToClaimPermissions(t *testing.T) {
	for name, permissions := range map[string]authz.PermissionEngine{"a pointer": &authz.ClaimPermissions{}, "a nil pointer": (*authz.ClaimPermissions)(nil)} {
		t.Run(name, func(t *testing.T) {
			authorizer := newAuthorizer(t, authz.Config{
				Engine: ways{fails, fails, fails}, Permissions: permissions,
				Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": written(t, `permission: {name: "documents.edit"}`)}),
			})
			holder := user("alice")
			holder.permissions = []string{"documents.edit"}
			if _, err := authorizer.Authorize(t.Context(), "/t.S/M", holder, nil); err != nil {
				t.Errorf("who has it: %v", err)
			}
			if _, err := authorizer.Authorize(t.Context(), "/t.S/M", user("bob"), nil); reasonOf(err) != authz.ReasonRelationDenied {
				t.Errorf("who lacks it: %v", err)
			}
		})
	}
}
