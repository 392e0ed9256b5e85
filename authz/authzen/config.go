package authzen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/httpapi"
)

// Default paths of AuthZEN 1.0 (§10.1).
const (
	DefaultEvaluationPath  = "/access/v1/evaluation"
	DefaultEvaluationsPath = "/access/v1/evaluations"

	// discoveryPath is the path of the server's metadata (AuthZEN 1.0 §9.2).
	discoveryPath = "/.well-known/authzen-configuration"
	// defaultBatchSize is the smallest limit of any server known (OpenFGA's).
	defaultBatchSize = 50
	maxBatchSize     = 1000
)

// TokenSource returns the bearer token of each request. usher's
// *credentials.Credentials implements it. If a source also has a method
// Invalidate(token string), it is called with a token that the server refused.
type TokenSource interface {
	Token(ctx context.Context) (*oauth2.Token, error)
}

// Properties are what a query sends as properties of its parts; a nil map sends
// none. Values are as in Context of [authz.Query].
type Properties struct {
	Subject, Action, Resource map[string]any
}

// Config configures an [Engine].
type Config struct {
	// BaseURL is the URL of the policy decision point, such as
	// https://pdp.example.com or https://fga.example.com/stores/01H…; the paths are
	// joined to it. Required. Plain http to another machine is an error, unless
	// InsecureHTTP is set.
	BaseURL string
	// InsecureHTTP allows plain http to other machines, within a mesh that
	// encrypts. Optional.
	InsecureHTTP bool

	// EvaluationPath and EvaluationsPath are joined to BaseURL. Optional. Default
	// [DefaultEvaluationPath] and [DefaultEvaluationsPath].
	EvaluationPath, EvaluationsPath string
	// SingleOnly must be set if the server has no evaluations endpoint. Optional.
	SingleOnly bool
	// Discover reads the endpoints from BaseURL's
	// /.well-known/authzen-configuration, at the first check or in Ready, instead
	// of using the paths; setting a path too is an error. The endpoints must be of
	// BaseURL's own origin, since they get its credentials. Optional.
	Discover bool

	// TokenSource authenticates with a bearer token. Optional; an error with
	// APIKey.
	TokenSource TokenSource
	// APIKey authenticates with a key in APIKeyHeader (default X-API-Key). It is
	// called for each request; usher's clientauth.File and clientauth.Env fit.
	// Optional. If neither TokenSource nor APIKey is set, HTTPClient's TLS client
	// certificate authenticates, or the server requires no authentication.
	APIKey       func(ctx context.Context) (string, error)
	APIKeyHeader string
	// Header is sent with each request, such as OpenFGA's
	// Openfga-Authorization-Model-Id. Optional; credentials in it are an error.
	Header http.Header

	// Properties returns a query's properties, beside those that the rule gives. A
	// property that both give is an error of the query, EngineMisconfigured: neither
	// replaces the other. It must depend on the query alone, since decisions are
	// cached and shared by query. It must be safe for concurrent use. Optional.
	Properties func(authz.Query) Properties
	// PermissionResource is the resource of a permission that a rule asks for without
	// an object, such as {"platform", "main"}: AuthZEN requires a resource. Optional.
	// Default: such a rule is an error.
	PermissionResource authz.Object

	// BatchSize is how many evaluations one request holds. Optional. Default 50;
	// more than 1000, or negative, is an error.
	BatchSize int
	// Parallelism is how many requests may be under way at once, over all callers.
	// One caller, as authz tells callers apart, has at most half of them, and at
	// least one; more wait. Without authz, a caller is the subject asked about.
	// Optional. Default 32; negative is an error.
	Parallelism int
	// Timeout bounds each request, including the wait for a free place. Optional.
	// Default 3 s; negative is an error.
	Timeout time.Duration
	// HTTPClient provides the transport: TLS, proxy, instrumentation. Optional. Its
	// own timeout, cookies and redirect policy are not used. If the server ends an
	// idle connection under a request, the client's idle connections are closed and
	// the request is made once more.
	HTTPClient *http.Client
}

// endpoints are the two URLs; evaluations is empty if there is none.
type endpoints struct{ evaluation, evaluations string }

// check fills in the defaults. It returns the base URL, the endpoints, and an error
// that joins all faults.
func (c *Config) check() (string, endpoints, error) {
	base, err := httpapi.BaseURL("authzen", c.BaseURL, c.InsecureHTTP)
	faults := []error{err}
	if c.Discover && (c.EvaluationPath != "" || c.EvaluationsPath != "") {
		faults = append(faults, errors.New("authzen: Discover excludes EvaluationPath and EvaluationsPath"))
	}
	if c.BatchSize < 0 || c.BatchSize > maxBatchSize {
		faults = append(faults, fmt.Errorf("authzen: BatchSize %d is not within 1 and %d, nor 0 for the default", c.BatchSize, maxBatchSize))
	}
	c.BatchSize = cmp.Or(c.BatchSize, defaultBatchSize)
	c.EvaluationPath = cmp.Or(c.EvaluationPath, DefaultEvaluationPath)
	c.EvaluationsPath = cmp.Or(c.EvaluationsPath, DefaultEvaluationsPath)
	faults = append(faults,
		httpapi.Path("authzen", "EvaluationPath", c.EvaluationPath),
		httpapi.Path("authzen", "EvaluationsPath", c.EvaluationsPath))
	if on := c.PermissionResource; on != (authz.Object{}) {
		for _, name := range [...]string{on.Type, on.ID} {
			if err := httpapi.ValidateName(name, maxName); err != nil {
				faults = append(faults, fmt.Errorf("authzen: PermissionResource %q: %w", on, err))
			}
		}
	}
	urls := endpoints{evaluation: base + c.EvaluationPath}
	if !c.SingleOnly {
		urls.evaluations = base + c.EvaluationsPath
	}

	return base, urls, errors.Join(faults...)
}
