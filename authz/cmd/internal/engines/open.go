package engines

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/usher-auth/usher/authz/cmd/internal/dial"
)

// None is the name of no engine.
const None = "none"

// Forms are the names that Open takes.
const Forms = dial.GRPCForms + ", " + dial.HTTPForms + ", tuples:FILE or none"

// defaultTimeout bounds each request of an operator's question.
const defaultTimeout = 10 * time.Second

// Config configures [Open].
type Config struct {
	// Getenv reads the environment. Optional. Default os.Getenv.
	Getenv func(string) string
	// Timeout bounds each request. Optional. Default 10 s.
	Timeout time.Duration
}

// Opened is an engine, with its connection.
type Opened struct {
	// Engine is an authz.Engine. Nil if the name is [None].
	Engine any
	// Name is where the engine is, without anything that could be a secret.
	Name  string
	close func() error
}

// Close closes the connection.
func (o *Opened) Close() error {
	if o.close == nil {
		return nil
	}

	return o.close()
}

// Open returns the engine of a name; see [Forms], and package dial for the URLs among
// them. It does no I/O but to read files.
func Open(name string, config Config) (*Opened, error) {
	if config.Getenv == nil {
		config.Getenv = os.Getenv
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultTimeout
	}
	if name == "" || name == None {
		return &Opened{Name: None}, nil
	}
	if file, ok := strings.CutPrefix(name, "tuples:"); ok {
		return openTuples(file)
	}
	target, err := dial.Parse(name, Forms)
	if err != nil {
		return nil, fmt.Errorf("--engine: %w", err)
	}
	opened, err := map[dial.Engine]func(*dial.Target, Config) (*Opened, error){
		dial.OpenFGA: openOpenFGA, dial.SpiceDB: openSpiceDB, dial.AuthZEN: openAuthZEN, dial.LumoAuth: openLumoAuth,
	}[target.Engine](target, config)
	if err != nil {
		return nil, fmt.Errorf("--engine %s: %w", target, err)
	}
	opened.Name = target.String()

	return opened, nil
}
