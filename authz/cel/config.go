package cel

import (
	"errors"
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
)

// The limits of what an expression may cost.
const (
	// DefaultMaxCost is the default of [Config.MaxCost]: at most some milliseconds.
	DefaultMaxCost = 50_000
	// DefaultMaxInput is the default of [Config.MaxInput], in bytes.
	DefaultMaxInput = 64 << 10
	// maxCost and maxInput are the highest that a Config may set: about a second.
	maxCost  = 10_000_000
	maxInput = 4 << 20
	// maxText is the length of an expression, in bytes.
	maxText = 4 << 10
	// maxDepth is how deep an expression may nest.
	maxDepth = 48
	// maxNodes is how many nodes an expression may have after its macros are expanded.
	maxNodes = 4096
)

// Config configures a [Compiler]. The zero value is usable.
type Config struct {
	// MaxCost bounds what one evaluation costs, in the cost units of CEL: about one for
	// each operation, and one for each ten bytes that an operation reads. Optional.
	// Default [DefaultMaxCost]; at most 10,000,000. An expression that costs more if
	// its lists have 64 members and its texts 256 bytes is a fault; one that turns out
	// to cost more at run time is denied.
	MaxCost uint64
	// MaxInput bounds how many bytes of the request one evaluation reads in lists, maps,
	// messages and, where the cost depends on their length, texts. Each value counts 16
	// bytes beside its content. Optional. Default [DefaultMaxInput]; at most 4 MiB. A
	// call whose request has more is denied.
	MaxInput int
}

// Compiler compiles expressions. It implements [authz.ExpressionCompiler] and is safe
// for concurrent use.
type Compiler struct {
	maxCost  uint64
	maxInput int
	base     *cel.Env
	// plain leaves comparisons to cel-go, for the tests.
	plain bool

	mu sync.Mutex
	// environments has one for each type of request, and registries for each file that
	// declares one: as many as there are methods and files with expressions.
	environments map[protoreflect.MessageDescriptor]*environment
	registries   map[protoreflect.FileDescriptor]*types.Registry
}

var _ authz.ExpressionCompiler = (*Compiler)(nil)

// New returns a compiler. Its errors are of the config.
func New(config Config) (*Compiler, error) {
	var faults []error
	if config.MaxCost > maxCost {
		faults = append(faults, fmt.Errorf("cel: Config.MaxCost is %d; at most %d", config.MaxCost, maxCost))
	}
	if config.MaxInput < 0 || config.MaxInput > maxInput {
		faults = append(faults, fmt.Errorf("cel: Config.MaxInput is %d; from 0 to %d", config.MaxInput, maxInput))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if config.MaxCost == 0 {
		config.MaxCost = DefaultMaxCost
	}
	if config.MaxInput == 0 {
		config.MaxInput = DefaultMaxInput
	}
	base, err := newBase()
	if err != nil {
		return nil, fmt.Errorf("cel: %w", err)
	}

	return &Compiler{
		maxCost: config.MaxCost, maxInput: config.MaxInput, base: base,
		environments: map[protoreflect.MessageDescriptor]*environment{},
		registries:   map[protoreflect.FileDescriptor]*types.Registry{},
	}, nil
}
