package lumoauth

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

const (
	// DefaultBaseURL is the URL of LumoAuth's own service.
	DefaultBaseURL = "https://app.lumoauth.dev"
	// DefaultEvaluationPath is LumoAuth's endpoint for one AuthZEN evaluation.
	DefaultEvaluationPath = "/api/v1/authz/v1/evaluation"
	// DefaultEvaluationsPath is LumoAuth's endpoint for several AuthZEN
	// evaluations.
	DefaultEvaluationsPath = "/api/v1/authz/v1/evaluations"
	// DefaultPermissionsPath is LumoAuth's endpoint for several permissions of one
	// subject.
	DefaultPermissionsPath = "/api/v1/authz/check-bulk"

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
	// CheckPath is set, and with NativeAttributes AttributesPath.
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
	// ExpandPath is the path of the relation expansion, which only [Engine.Explain] asks.
	// Optional. Default /orgs/{Organization}/api/v1/zanzibar/expand; without Organization
	// an explanation has no trace.
	ExpandPath string
	// UserField sends the subject of a relation check as "user", which older
	// servers expect. Optional.
	UserField bool

	// Evaluations sends AuthZEN evaluations instead of relation checks: several
	// queries share one request, and queries may have context. Optional.
	Evaluations bool
	// EvaluationPath and EvaluationsPath are the paths for Evaluations, and for
	// permissions and attributes unless they are asked natively. Optional. Default [DefaultEvaluationPath] and [DefaultEvaluationsPath].
	EvaluationPath, EvaluationsPath string
	// BatchSize is how many evaluations one request holds. Optional. Default 50;
	// more than 1000, or negative, is an error.
	BatchSize int

	// PermissionResource is the resource of a permission that a rule asks for without
	// an object, such as {"organization", "acme"}: an AuthZEN evaluation requires a
	// resource. Optional. Default: such a rule is an error, unless NativePermissions is
	// set.
	PermissionResource authz.Object
	// NativePermissions asks for permissions at LumoAuth's Permissions API, 100 to a
	// request, instead of by AuthZEN evaluations. LumoAuth's documents disagree about
	// how a request names a subject other than the token's own, and a server that
	// ignores it answers about the token's: so an answer counts only if its user_id, or
	// its subject, is the subject that was asked about. A user_id names subjects of the
	// type user. Permissions can't be limited to an object there. Optional.
	NativePermissions bool
	// PermissionsPath is the path for NativePermissions. Optional. Default
	// [DefaultPermissionsPath].
	PermissionsPath string
	// NativeAttributes asks for attributes at LumoAuth's ABAC API, 100 to a request,
	// instead of by AuthZEN evaluations. No document says how a request there names a
	// subject, so an answer counts only as with NativePermissions. A rule's
	// resource_properties are its resource attributes, and the context its environment;
	// rules can't have other properties. Optional.
	NativeAttributes bool
	// AttributesPath is the path for NativeAttributes. Optional. Default
	// /orgs/{Organization}/api/v1/abac/check-bulk.
	AttributesPath string

	// Parallelism is how many requests may be under way at once, over all callers, to
	// each of the APIs: relation checks and the Permissions API together, AuthZEN
	// evaluations, and the ABAC API. One caller, as authz tells callers apart, has at most half of them, and at
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
	faults = append(faults, err, c.paths())
	c.EvaluationPath = cmp.Or(c.EvaluationPath, DefaultEvaluationPath)
	c.EvaluationsPath = cmp.Or(c.EvaluationsPath, DefaultEvaluationsPath)

	return base, errors.Join(faults...)
}

// paths fills in the paths that have the organization, and returns an error that joins
// the faults of the organization and of the paths.
func (c *Config) paths() error {
	if c.CheckPath == "" || c.NativeAttributes && c.AttributesPath == "" {
		switch {
		case c.Organization == "" && c.CheckPath == "":
			return errors.New("lumoauth: Organization or CheckPath is required")
		case c.Organization == "":
			return errors.New("lumoauth: Organization or AttributesPath is required for NativeAttributes")
		case !isSegment(c.Organization):
			return fmt.Errorf("lumoauth: Organization %q is not a name that fits in a URL", c.Organization)
		}
	}
	organization := "/orgs/" + c.Organization + "/api/v1"
	if c.Organization != "" && isSegment(c.Organization) {
		c.ExpandPath = cmp.Or(c.ExpandPath, organization+"/zanzibar/expand")
	}
	c.CheckPath = cmp.Or(c.CheckPath, organization+"/zanzibar/check")
	c.PermissionsPath = cmp.Or(c.PermissionsPath, DefaultPermissionsPath)
	if c.NativeAttributes {
		c.AttributesPath = cmp.Or(c.AttributesPath, organization+"/abac/check-bulk")
	}
	var faults []error
	for _, path := range [...]struct{ name, value string }{
		{"CheckPath", c.CheckPath},
		{"PermissionsPath", c.PermissionsPath},
		{"AttributesPath", cmp.Or(c.AttributesPath, "/")},
		{"ExpandPath", cmp.Or(c.ExpandPath, "/")},
	} {
		faults = append(faults, httpapi.Path("lumoauth", path.name, path.value))
	}

	return errors.Join(faults...)
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
