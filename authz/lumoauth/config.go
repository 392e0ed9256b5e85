package lumoauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/usher-auth/usher/authz/internal/httpapi"
)

const (
	// DefaultBaseURL is LumoAuth's own service.
	DefaultBaseURL = "https://app.lumoauth.dev"
	// DefaultEvaluationPath is LumoAuth's endpoint for one AuthZEN evaluation.
	DefaultEvaluationPath = "/api/v1/authz/v1/evaluation"
	// DefaultEvaluationsPath is its endpoint for many.
	DefaultEvaluationsPath = "/api/v1/authz/v1/evaluations"

	maxOrganization = 128
)

// TokenSource gives the bearer token of each request. usher's
// *credentials.Credentials is one. A source that also has
// Invalidate(token string) is told of a token that LumoAuth refused.
type TokenSource interface {
	Token(ctx context.Context) (*oauth2.Token, error)
}

// Config says which organization to ask and how.
type Config struct {
	// Organization is the organization's name in LumoAuth's URLs. Required,
	// unless CheckPath is set.
	Organization string
	// BaseURL is LumoAuth's. Optional. Default https://app.lumoauth.dev. Plain
	// http is for this machine only, unless InsecureHTTP.
	BaseURL string
	// InsecureHTTP allows plain http to other machines, within a mesh that
	// encrypts. Optional.
	InsecureHTTP bool

	// TokenSource authenticates with a bearer token. A subject other than the
	// token's own needs the authz:check scope. Exactly one of TokenSource and
	// APIKey is required.
	TokenSource TokenSource
	// APIKey authenticates with an X-API-Key header, read for each request;
	// usher's clientauth.File and clientauth.Env fit.
	APIKey func(ctx context.Context) (string, error)

	// CheckPath is the relation check's. Optional. Default
	// /orgs/{Organization}/api/v1/zanzibar/check.
	CheckPath string
	// UserField names the subject "user" in relation checks, as older servers
	// want it. Optional.
	UserField bool

	// Evaluations asks by AuthZEN evaluations instead of relation checks: many
	// queries take one request, and queries may have context. Optional.
	Evaluations bool
	// EvaluationPath and EvaluationsPath are for Evaluations. Optional.
	EvaluationPath, EvaluationsPath string
	// BatchSize is how many evaluations one request holds. Optional. Default 50.
	BatchSize int

	// Parallelism is how many requests are under way at once, over all callers. One
	// of them, as authz tells them apart, has at most half, and at least one; more
	// wait. Without authz a caller is the subject asked about. Optional. Default 32.
	Parallelism int
	// Timeout bounds each request, waiting for a free place included. Optional.
	// Default 3 s.
	Timeout time.Duration
	// HTTPClient gives the transport. Optional. Its own timeout, cookies and
	// redirect policy are not used. Its idle connections are closed when the server
	// has ended one under a request, which is then made once more.
	HTTPClient *http.Client
}

func (c *Config) check() (base string, err error) {
	if (c.TokenSource == nil) == (c.APIKey == nil) {
		return "", errors.New("lumoauth: set exactly one of TokenSource and APIKey")
	}
	c.BaseURL = cmp.Or(c.BaseURL, DefaultBaseURL)
	base, err = httpapi.BaseURL("lumoauth", c.BaseURL, c.InsecureHTTP)
	if err != nil {
		return "", err
	}
	if c.CheckPath == "" {
		if !isSegment(c.Organization) {
			return "", fmt.Errorf("lumoauth: Organization %q is not a name that fits in a URL", c.Organization)
		}
		c.CheckPath = "/orgs/" + c.Organization + "/api/v1/zanzibar/check"
	}
	if err := httpapi.Path("lumoauth", "CheckPath", c.CheckPath); err != nil {
		return "", err
	}
	c.EvaluationPath = cmp.Or(c.EvaluationPath, DefaultEvaluationPath)
	c.EvaluationsPath = cmp.Or(c.EvaluationsPath, DefaultEvaluationsPath)

	return base, nil
}

// isSegment allows RFC 3986 §2.3's unreserved characters, and no dot segments.
func isSegment(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > maxOrganization {
		return false
	}
	for i := range len(s) {
		switch b := s[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '-', b == '.', b == '_', b == '~':
		default:
			return false
		}
	}

	return true
}
