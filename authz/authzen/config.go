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

// Paths of AuthZEN 1.0 (§10.1).
const (
	DefaultEvaluationPath  = "/access/v1/evaluation"
	DefaultEvaluationsPath = "/access/v1/evaluations"

	// discoveryPath is AuthZEN 1.0 §9.2.
	discoveryPath = "/.well-known/authzen-configuration"
	// defaultBatchSize is the smallest limit known of a server (OpenFGA's).
	defaultBatchSize = 50
	maxBatchSize     = 1000
)

// TokenSource gives the bearer token of each request. usher's
// *credentials.Credentials is one. A source that also has
// Invalidate(token string) is told of a token that the server refused.
type TokenSource interface {
	Token(ctx context.Context) (*oauth2.Token, error)
}

// Properties are what a query sends as properties of its parts; nil maps send
// none. Values are as in [authz.Query] Context.
type Properties struct {
	Subject, Action, Resource map[string]any
}

// Config says which server to ask and how.
type Config struct {
	// BaseURL is the policy decision point, such as https://pdp.example.com or
	// https://fga.example.com/stores/01H…; the paths are joined to it. Required.
	// Plain http is for this machine only, unless InsecureHTTP.
	BaseURL string
	// InsecureHTTP allows plain http to other machines, within a mesh that
	// encrypts. Optional.
	InsecureHTTP bool

	// EvaluationPath and EvaluationsPath are joined to BaseURL. Optional.
	// Default AuthZEN's.
	EvaluationPath, EvaluationsPath string
	// SingleOnly says that the server has no evaluations endpoint. Optional.
	SingleOnly bool
	// Discover reads the endpoints from BaseURL's
	// /.well-known/authzen-configuration at the first check, or in Ready,
	// instead of the paths. They must be of BaseURL's own origin, since they get
	// its credentials. Optional.
	Discover bool

	// TokenSource authenticates with a bearer token. Optional; not with APIKey.
	TokenSource TokenSource
	// APIKey authenticates with a key in APIKeyHeader (default X-API-Key), read
	// for each request; usher's clientauth.File and clientauth.Env fit.
	// Optional. With neither, HTTPClient's TLS client certificate does, or the
	// server asks for nothing.
	APIKey       func(ctx context.Context) (string, error)
	APIKeyHeader string
	// Header is sent with each request, such as OpenFGA's
	// Openfga-Authorization-Model-Id. Optional; never credentials.
	Header http.Header

	// Properties gives a query's properties. It must depend on the query alone:
	// decisions are cached and shared by query. Optional. Safe for concurrent
	// use.
	Properties func(authz.Query) Properties

	// BatchSize is how many evaluations one request holds. Optional. Default 50;
	// at most 1000.
	BatchSize int
	// Parallelism is how many requests are under way at once, over all callers. One
	// of them, as authz tells them apart, has at most half, and at least one; more
	// wait. Without authz a caller is the subject asked about. Optional. Default 32.
	Parallelism int
	// Timeout bounds each request, waiting for a free place included. Optional.
	// Default 3 s.
	Timeout time.Duration
	// HTTPClient gives the transport: TLS, proxy, instrumentation. Optional. Its
	// own timeout, cookies and redirect policy are not used. Its idle connections
	// are closed when the server has ended one under a request, which is then made
	// once more.
	HTTPClient *http.Client
}

// endpoints are the two URLs; evaluations is empty where there is none.
type endpoints struct{ evaluation, evaluations string }

func (c *Config) check() (string, endpoints, error) {
	base, err := httpapi.BaseURL("authzen", c.BaseURL, c.InsecureHTTP)
	if err != nil {
		return "", endpoints{}, err
	}
	if c.Discover && (c.EvaluationPath != "" || c.EvaluationsPath != "") {
		return "", endpoints{}, errors.New("authzen: Discover and paths: set one")
	}
	if c.BatchSize < 0 || c.BatchSize > maxBatchSize {
		return "", endpoints{}, fmt.Errorf("authzen: BatchSize %d is not within 1 and %d", c.BatchSize, maxBatchSize)
	}
	c.BatchSize = cmp.Or(c.BatchSize, defaultBatchSize)
	c.EvaluationPath = cmp.Or(c.EvaluationPath, DefaultEvaluationPath)
	c.EvaluationsPath = cmp.Or(c.EvaluationsPath, DefaultEvaluationsPath)
	if err := httpapi.Path("authzen", "EvaluationPath", c.EvaluationPath); err != nil {
		return "", endpoints{}, err
	}
	if err := httpapi.Path("authzen", "EvaluationsPath", c.EvaluationsPath); err != nil {
		return "", endpoints{}, err
	}
	urls := endpoints{evaluation: base + c.EvaluationPath}
	if !c.SingleOnly {
		urls.evaluations = base + c.EvaluationsPath
	}

	return base, urls, nil
}
