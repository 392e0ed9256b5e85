package authserver

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
)

// store keeps grants and opaque tokens for as long as a token lives. go-oidc's
// own store keeps the newest 100 only, which turns valid tokens inactive under
// load. What goes in and out is copied: go-oidc changes grants in place when it
// revokes them.
type store struct {
	retention time.Duration

	mu        sync.Mutex
	grants    map[string]goidc.Grant
	tokens    map[string]goidc.Token
	used      map[string]time.Time
	lastSwept time.Time
}

func newStore(retention time.Duration) *store {
	return &store{
		retention: retention,
		grants:    map[string]goidc.Grant{},
		tokens:    map[string]goidc.Token{},
		used:      map[string]time.Time{},
		lastSwept: time.Now(),
	}
}

// SaveGrant implements goidc.GrantManager.
func (s *store) SaveGrant(_ context.Context, grant *goidc.Grant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	s.grants[grant.ID] = *grant
	return nil
}

// Grant implements goidc.GrantManager.
func (s *store) Grant(_ context.Context, id string) (*goidc.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	grant, ok := s.grants[id]
	if !ok {
		return nil, goidc.ErrNotFound
	}
	return &grant, nil
}

// SaveToken implements goidc.OpaqueTokenManager.
func (s *store) SaveToken(_ context.Context, token *goidc.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token.ID] = *token
	return nil
}

// Token implements goidc.OpaqueTokenManager.
func (s *store) Token(_ context.Context, id string) (*goidc.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, ok := s.tokens[id]
	if !ok {
		return nil, goidc.ErrNotFound
	}
	return &token, nil
}

var errReplayed = errors.New("authserver: this jti has been used")

// consumeJTI refuses a client assertion that was used before (RFC 7523 §3).
func (s *store) consumeJTI(_ context.Context, jti string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.used[jti]; ok {
		return errReplayed
	}
	s.used[jti] = time.Now()
	return nil
}

// sweep forgets what has expired, once a retention period.
func (s *store) sweep() {
	now := time.Now()
	if now.Sub(s.lastSwept) < s.retention {
		return
	}
	s.lastSwept = now
	oldest := int(now.Add(-s.retention).Unix())
	for id, grant := range s.grants {
		if grant.CreatedAt < oldest {
			delete(s.grants, id)
		}
	}
	for id, token := range s.tokens {
		if token.ExpiresAt < oldest {
			delete(s.tokens, id)
		}
	}
	for jti, at := range s.used {
		if now.Sub(at) > s.retention {
			delete(s.used, jti)
		}
	}
}
