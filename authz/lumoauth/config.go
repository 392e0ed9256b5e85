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
	// DefaultBaseURL is the URL of LumoAuth's own service.
	DefaultBaseURL = "https://app.lumoauth.dev"
	// DefaultEvaluationPath is LumoAuth's endpoint for one AuthZEN evaluation.
	DefaultEvaluationPath = "/api/v1/authz/v1/evaluation"
	// DefaultEvaluationsPath is LumoAuth's endpoint for several AuthZEN
	// evaluations.
	DefaultEvaluationsPath = "/api/v1/authz/v1/evaluations"

	maxOrganization = 128
)

// TokenSource returns the bearer token of each request. usher's
// *credentials.Credentials implements it. If a source also has a method
// Invalidate(token string), it is called with a token that LumoAuth refused.
type TokenSource interface {
	Token(ctx context.Context) (*oauth2.Token, error)
}

// Config configures an [Engine].
type Config struct {
	// Organization is the organization's name in LumoAuth's URLs. Required, unless
	// CheckPath is set.
	Organization string
	// BaseURL is LumoAuth's URL. Optional. Default [DefaultBaseURL]. Plain http to
	// another machine is an error, unless InsecureHTTP is set.
	BaseURL string
	// InsecureHTTP allows plain http to other machines, within a mesh that
	// encrypts. Optional.
	InsecureHTTP bool

	// TokenSource authenticates with a bearer token. To ask about a subject other
	// than the token's own, the token needs the authz:check scope. Exactly one of
	// TokenSource and APIKey is required.
	TokenSource TokenSource
	// APIKey authenticates with an X-API-Key header. It is called for each request;
	// usher's clientauth.File and clientauth.Env fit.
	APIKey func(ctx context.Context) (string, error)

	// CheckPath is the path of the relation check. Optional. Default
	// /orgs/{Organization}/api/v1/zanzibar/check.
	CheckPath string
	// UserField sends the subject of a relation check as "user", which older
	// servers expect. Optional.
	UserField bool

	// Evaluations sends AuthZEN evaluations instead of relation checks: several
	// queries share one request, and queries may have context. Optional.
	Evaluations bool
	// EvaluationPath and EvaluationsPath are the paths for Evaluations. Optional.
	// Default [DefaultEvaluationPath] and [DefaultEvaluationsPath].
	EvaluationPath, EvaluationsPath string
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
	// HTTPClient provides the transport. Optional. Its own timeout, cookies and
	// redirect policy are not used. If the server ends an idle connection under a
	// request, the client's idle connections are closed and the request is made
	// once more.
	HTTPClient *http.Client
}

// check fills in the defaults. It returns the base URL, and an error that joins all
// faults but those that the engine's HTTP client finds.
func (c *Config) check() (string, error) {
	var faults []error
	if (c.TokenSource == nil) == (c.APIKey == nil) {
		faults = append(faults, errors.New("lumoauth: set exactly one of TokenSource and APIKey"))
	}
	c.BaseURL = cmp.Or(c.BaseURL, DefaultBaseURL)
	base, err := httpapi.BaseURL("lumoauth", c.BaseURL, c.InsecureHTTP)
	faults = append(faults, err)
	switch {
	case c.CheckPath != "":
		faults = append(faults, httpapi.Path("lumoauth", "CheckPath", c.CheckPath))
	case c.Organization == "":
		faults = append(faults, errors.New("lumoauth: Organization or CheckPath is required"))
	case !isSegment(c.Organization):
		faults = append(faults, fmt.Errorf("lumoauth: Organization %q is not a name that fits in a URL", c.Organization))
	default:
		c.CheckPath = "/orgs/" + c.Organization + "/api/v1/zanzibar/check"
	}
	c.EvaluationPath = cmp.Or(c.EvaluationPath, DefaultEvaluationPath)
	c.EvaluationsPath = cmp.Or(c.EvaluationsPath, DefaultEvaluationsPath)

	return base, errors.Join(faults...)
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
