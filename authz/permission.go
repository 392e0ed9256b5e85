package authz

import (
	"context"
	"errors"
)

// ClaimPermissions is a [PermissionEngine] for [Config.Permissions] with which a
// permission is granted if the caller's token has it: see [Principal.HasPermission],
// and the Permissions of a verify.Profile for the claim. Nothing is asked. A rule whose
// permission has on, context or subject is a fault, since a claim doesn't tell what its
// permissions are on or of another's; and where several issuers are trusted,
// access_token.issuers must name those whose permissions count.
type ClaimPermissions struct{}

var errFromToken = errors.New("authz: ClaimPermissions can't be asked: it is for authz.Config.Permissions, where the caller's token is at hand")

// CheckPermissions returns an error: only an [Authorizer] can read the caller's token.
func (ClaimPermissions) CheckPermissions(context.Context, Batch) (Result, error) {
	return Result{}, &EngineError{Kind: EngineMisconfigured, Err: errFromToken}
}

// areClaims reports whether permissions are those of the caller's token.
func areClaims(permissions PermissionEngine) bool {
	switch permissions.(type) {
	case ClaimPermissions, *ClaimPermissions:
		return true
	default:
		return false
	}
}
