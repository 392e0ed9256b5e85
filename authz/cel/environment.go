package cel

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The variables, as the checker knows them.
const (
	varRequest  = "request"
	varSubject  = "caller.subject"
	varClientID = "caller.client_id"
	varIssuer   = "caller.issuer"
	varKind     = "caller.kind"
	varScopes   = "caller.scopes"
	varACR      = "caller.acr"
	varClaims   = "caller.claims"
	varIP       = "peer.ip"
	varNow      = "now"
)

// environment is what expressions over one type of request are compiled in.
type environment struct {
	env      *cel.Env
	registry *types.Registry
	adapter  *adapter
	input    protoreflect.MessageDescriptor
}

// newBase returns the part of the environments that doesn't depend on the request.
func newBase() (*cel.Env, error) {
	return cel.NewEnv(
		cel.ParserRecursionLimit(maxDepth),
		cel.ParserErrorRecoveryLimit(4),
		cel.ParserExpressionSizeLimit(maxText),
		cel.ExpressionNodeLimit(maxNodes),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
		cel.Variable(varSubject, cel.StringType),
		cel.Variable(varClientID, cel.StringType),
		cel.Variable(varIssuer, cel.StringType),
		cel.Variable(varKind, cel.StringType),
		cel.Variable(varScopes, cel.ListType(cel.StringType)),
		cel.Variable(varACR, cel.StringType),
		cel.Variable(varClaims, cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable(varIP, ipType),
		cel.Variable(varNow, cel.TimestampType),
		ipFunctions(),
	)
}

// environmentOf returns the environment of a type of request.
func (c *Compiler) environmentOf(input protoreflect.MessageDescriptor) (*environment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.environments[input]; known != nil {
		return known, nil
	}
	registry, err := c.registryOf(input.ParentFile())
	if err != nil {
		return nil, err
	}
	made := &environment{registry: registry, adapter: &adapter{registry}, input: input}
	made.env, err = c.base.Extend(
		cel.CustomTypeProvider(registry),
		cel.CustomTypeAdapter(made.adapter),
		cel.Variable(varRequest, cel.ObjectType(string(input.FullName()))),
	)
	if err != nil {
		return nil, err
	}
	c.environments[input] = made

	return made, nil
}

// registryOf returns the types that a file declares and imports.
func (c *Compiler) registryOf(file protoreflect.FileDescriptor) (*types.Registry, error) {
	if known := c.registries[file]; known != nil {
		return known, nil
	}
	made, err := types.NewProtoRegistry()
	if err != nil {
		return nil, err
	}
	if err := registerFiles(made, file, map[string]bool{}); err != nil {
		return nil, err
	}
	c.registries[file] = made

	return made, nil
}

// registerFiles makes the types of a file and its imports known.
func registerFiles(registry *types.Registry, file protoreflect.FileDescriptor, seen map[string]bool) error {
	if file == nil || file.IsPlaceholder() || seen[file.Path()] {
		return nil
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		if err := registerFiles(registry, file.Imports().Get(i).FileDescriptor, seen); err != nil {
			return err
		}
	}
	if file.Package() == "google.protobuf" && file.Messages().Len() > 0 {
		// CEL has values of its own for some.
		if _, known := registry.FindStructType(string(file.Messages().Get(0).FullName())); known {
			return nil
		}
	}
	if err := registry.RegisterDescriptor(ownFile{file}); err != nil {
		return fmt.Errorf("types of the request: %w", err)
	}

	return nil
}

// ownFile is a file whose path is no other's: the registry would replace a file by one
// of the same path that is linked into the program, whatever its types.
type ownFile struct{ protoreflect.FileDescriptor }

// Path returns the path.
func (f ownFile) Path() string { return "rule:" + f.FileDescriptor.Path() }
