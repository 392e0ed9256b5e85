// Package lumoauthtest provides a server that implements LumoAuth's documented
// contract (token endpoint, relation check, AuthZEN evaluations, permissions and
// attributes) on any engine, so that its decisions are real. It is for tests, demos and work without a
// network, not for production: it keeps everything in memory.
//
//	lumo := lumoauthtest.New(lumoauthtest.Config{
//		Organization: "acme",
//		Engine:       authztest.…,
//		Clients:      []lumoauthtest.Client{{ID: "docs", Secret: "not-a-secret", Scopes: []string{"authz:check"}}},
//	})
//	server := httptest.NewServer(lumo)
//	engine, err := lumoauth.New(lumoauth.Config{BaseURL: server.URL, Organization: "acme", TokenSource: creds})
package lumoauthtest

import (
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/usher-auth/usher/authz"
)

const (
	// ScopeCheck lets a token ask about subjects other than its own.
	ScopeCheck = "authz:check"

	tokenLifetime = time.Hour
	maxBody       = 1 << 20
)

// Client is an OAuth client of the organization.
type Client struct {
	ID, Secret string
	// Scopes are the scopes of its tokens.
	Scopes []string
}

// Config configures a [Server].
type Config struct {
	// Organization is the organization that the server serves. Required.
	Organization string
	// Engine answers the checks. Required.
	Engine authz.Engine
	// Permissions and Attributes answer those. Optional. Default: Engine, if it
	// implements them, as authztest's does; otherwise the answer is 400.
	Permissions authz.PermissionEngine
	Attributes  authz.AttributeEngine
	// EvaluationKind returns what an AuthZEN evaluation of an action asks for: a
	// relation, a permission or attributes. It must be safe for concurrent use.
	// Optional. Default: each asks for a relation.
	EvaluationKind func(action string) authz.QueryKind
	// Judged is about which subject the native endpoints of permissions and attributes
	// answer. Optional. Default: about the one that the request names.
	Judged Judged
	// Clients may get tokens by client_credentials. Optional.
	Clients []Client
	// APIKeys are accepted as X-API-Key, with every scope. Optional.
	APIKeys []string
	// CheckLimit is how many API requests one token may make in a minute, without those
	// for attributes, which AttributesLimit counts, and TokenLimit how many token
	// requests one client may make. Optional. Default 0, which means no limit.
	// LumoAuth's own limits are as low as 100, 10,000 and 30.
	CheckLimit, AttributesLimit, TokenLimit int
}

// Server is the handler. It is safe for concurrent use.
type Server struct {
	config Config
	mux    *http.ServeMux

	mu      sync.Mutex
	tokens  map[string]grant
	windows map[string]*window
	faults  []http.HandlerFunc
}

// grant is what a token or key grants.
type grant struct {
	subject string
	scopes  []string
	expires time.Time
}

// New returns a server.
func New(config Config) *Server {
	s := &Server{
		config: config, mux: http.NewServeMux(),
		tokens: make(map[string]grant), windows: make(map[string]*window),
	}
	if s.config.Permissions == nil {
		s.config.Permissions, _ = config.Engine.(authz.PermissionEngine)
	}
	if s.config.Attributes == nil {
		s.config.Attributes, _ = config.Engine.(authz.AttributeEngine)
	}
	organization := "/orgs/" + config.Organization + "/api/v1"
	s.mux.HandleFunc("POST "+organization+"/oauth/token", s.token)
	s.mux.HandleFunc("POST "+organization+"/zanzibar/check", s.api(s.check))
	s.mux.HandleFunc("POST /api/v1/authz/zanzibar/check", s.api(s.check))
	s.mux.HandleFunc("POST "+organization+"/zanzibar/expand", s.api(s.expand))
	s.mux.HandleFunc("POST /api/v1/authz/v1/evaluation", s.api(s.evaluation))
	s.mux.HandleFunc("POST /api/v1/authz/v1/evaluations", s.api(s.evaluations))
	s.mux.HandleFunc("POST /api/v1/authz/check", s.api(s.permission))
	s.mux.HandleFunc("POST /api/v1/authz/check-bulk", s.api(s.permissions))
	s.mux.HandleFunc("POST "+organization+"/abac/check", s.limited("abac ", config.AttributesLimit, s.attributes))
	s.mux.HandleFunc("POST "+organization+"/abac/check-bulk", s.limited("abac ", config.AttributesLimit, s.attributesBulk))

	return s
}

// ServeHTTP answers one request, or lets the next injected fault answer it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	var fault http.HandlerFunc
	if len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	s.mu.Unlock()
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if fault != nil {
		fault(w, r)

		return
	}
	s.mux.ServeHTTP(w, r)
}

// Inject makes the next requests go to these handlers instead, one each. A nil
// handler gives the usual answer.
func (s *Server) Inject(faults ...http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Issue returns an access token for a subject, such as user:ann or the client's id,
// without a request to the token endpoint.
func (s *Server) Issue(subject string, scopes ...string) string {
	token := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = grant{subject: subject, scopes: slices.Clone(scopes), expires: time.Now().Add(tokenLifetime)}

	return token
}

// Revoke makes a token invalid.
func (s *Server) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
}

func (s *Server) lookup(token string) (grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.tokens[token]

	return g, ok && time.Now().Before(g.expires)
}
