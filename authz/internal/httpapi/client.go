package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/oauth2"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/caller"
	"github.com/usher-auth/usher/internal/httpx"
	"github.com/usher-auth/usher/internal/retryafter"
	"github.com/usher-auth/usher/internal/strictjson"
)

// TokenSource returns the bearer token for each request. usher's
// *credentials.Credentials is one.
type TokenSource interface {
	Token(ctx context.Context) (*oauth2.Token, error)
}

// Secret returns an API key. It is called for each request, so that a rotated key
// needs no restart.
type Secret = func(ctx context.Context) (string, error)

const (
	// DefaultTimeout bounds a request, including its wait for a free place.
	DefaultTimeout = 3 * time.Second
	// DefaultParallel is the number of requests to an engine at once, of which one
	// caller has at most half.
	DefaultParallel = 32
	// maxAnswer bounds an answer's body: 50 evaluations with reasons are 20 KiB.
	maxAnswer = 1 << 20
	// maxMembers bounds the members of all of an answer's objects: a thousand
	// evaluations, as many as a request can have, with sixty-four each.
	maxMembers = 64_000
)

// Config has the settings that the engines' own configs have in common.
type Config struct {
	// Name prefixes errors: the engine's package.
	Name string
	// HTTPClient is the user's, or nil.
	HTTPClient *http.Client
	// TokenSource or APIKey authenticates, or neither.
	TokenSource  TokenSource
	APIKey       Secret
	APIKeyHeader string
	// Header is sent with each request.
	Header http.Header
	// Timeout and Parallel are the defaults when zero.
	Timeout  time.Duration
	Parallel int
}

// Client makes requests to one HTTP engine. It is safe for concurrent use.
type Client struct {
	name    string
	http    *http.Client
	auth    authenticator
	header  http.Header
	timeout time.Duration
	// parallel is the largest number of requests at once.
	parallel int
	slots    *slots
	pause    pause
	own      *http.Transport
}

// New returns a client, or an error that joins all faults of the config. It does no
// I/O.
func New(config Config) (*Client, error) {
	auth, err := newAuthenticator(config)
	faults := []error{err}
	if config.Timeout < 0 {
		faults = append(faults, fmt.Errorf("%s: Timeout %v is negative", config.Name, config.Timeout))
	}
	if config.Parallel < 0 {
		faults = append(faults, fmt.Errorf("%s: Parallelism %d is negative", config.Name, config.Parallel))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	c := &Client{
		name: config.Name, auth: auth, header: config.Header.Clone(), pause: pause{base: time.Now()},
		timeout: cmp.Or(config.Timeout, DefaultTimeout), parallel: cmp.Or(config.Parallel, DefaultParallel),
	}
	c.slots = newSlots(c.parallel)
	c.http = httpx.Isolated(config.HTTPClient)
	if config.HTTPClient == nil {
		c.own = httpx.NewTransport(c.parallel)
		c.http.Transport = c.own
	}

	return c, nil
}

// Parallel returns the largest number of requests at once.
func (c *Client) Parallel() int { return c.parallel }

// Close closes idle connections. It leaves a user's own HTTP client alone.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// Post sends body as JSON and decodes the answer to it, which must be a 200
// with one JSON object. An error is that of ctx, or an
// *authz.EngineError. Places are shared out among callers, and a 429 applies to one
// caller until several callers in a row got one. The caller is the one for which authz
// sends the query, or else the subject.
func (c *Client) Post(ctx context.Context, url string, subject authz.Subject, body any) (map[string]any, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("%s: context that JSON does not have", c.name)}
	}

	return c.do(ctx, http.MethodPost, url, who(ctx, subject), encoded)
}

// who returns the key by which places and waits are counted. No subject starts with
// "#", as a caller's key does.
func who(ctx context.Context, subject authz.Subject) string {
	if id, ok := caller.FromContext(ctx); ok {
		return "#" + strconv.FormatUint(id, 36)
	}

	return subject.String()
}

// Get fetches one JSON object without a body.
func (c *Client) Get(ctx context.Context, url string) (map[string]any, error) {
	return c.do(ctx, http.MethodGet, url, "", nil)
}

func (c *Client) do(ctx context.Context, method, url, by string, body []byte) (map[string]any, error) {
	request, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.paused(by); err != nil {
		return nil, err
	}
	if err := c.slots.acquire(request, by); err != nil {
		return nil, c.failure(ctx, "no free place for a request")
	}
	defer c.slots.release(by)
	// Check again: an answer that came meanwhile also applies to requests that waited.
	if err := c.paused(by); err != nil {
		return nil, err
	}

	response, sent, err := c.send(request, method, url, body) //nolint:bodyclose // closed below
	if err == nil && response.StatusCode == http.StatusUnauthorized && c.auth.renew(request, sent) {
		httpx.Discard(response)
		response, _, err = c.send(request, method, url, body) //nolint:bodyclose // discard closes it below
	}
	if err != nil {
		var fault *authz.EngineError
		if errors.As(err, &fault) && ctx.Err() == nil {
			return nil, fault
		}

		return nil, c.failure(ctx, "no answer")
	}
	defer httpx.Discard(response)

	return c.read(ctx, by, response)
}

// paused returns the error for a caller that must wait, because the engine asked it or
// all callers to come back later.
func (c *Client) paused(by string) error {
	wait := c.pause.remaining(by)
	if wait <= 0 {
		return nil
	}

	return &authz.EngineError{
		Kind: authz.EngineUnavailable, RetryAfter: wait, Err: fmt.Errorf("%s: not asked: it said to come back later", c.name),
	}
}

// send authenticates and sends one request, and repeats it if an idle connection was
// closed under it: a check changes nothing, so it may be repeated. It returns the
// credential used.
func (c *Client) send(ctx context.Context, method, url string, body []byte) (*http.Response, string, error) {
	var response *http.Response
	var credential string
	err := httpx.Send(ctx, c.http, func(attempt context.Context) (err error) {
		request, err := http.NewRequestWithContext(attempt, method, url, bytes.NewReader(body))
		if err != nil {
			return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("%s: a URL that can't be requested", c.name)}
		}
		maps.Copy(request.Header, c.header)
		request.Header.Set("Accept", "application/json")
		if body != nil {
			request.Header.Set("Content-Type", "application/json")
		}
		if credential, err = c.auth.authenticate(ctx, request.Header); err != nil {
			return err
		}
		response, err = c.http.Do(request) //nolint:bodyclose // the caller closes it

		return err
	})

	return response, credential, err
}

// read decodes an answer's object or returns an error. It reads the body only if
// the status is 200.
func (c *Client) read(ctx context.Context, by string, response *http.Response) (map[string]any, error) {
	if !pauses(response.StatusCode) {
		c.pause.answered()
	}
	if response.StatusCode != http.StatusOK {
		fault := &authz.EngineError{Kind: KindOf(response.StatusCode), Err: &StatusError{Engine: c.name, Status: response.StatusCode}}
		if pauses(response.StatusCode) {
			fault.RetryAfter = retryafter.Of(response.Header, time.Now(), retryafter.MaxEngine)
			c.pause.until(by, fault.RetryAfter)
		}

		return nil, fault
	}
	body, err := httpx.Read(response.Body, maxAnswer)
	if errors.Is(err, httpx.ErrTooLarge) {
		return nil, c.Unusable(fmt.Errorf("more than %d bytes", maxAnswer))
	}
	if err != nil {
		return nil, c.failure(ctx, "the answer broke off")
	}
	object, err := strictjson.Object(body, maxMembers)
	if err != nil {
		return nil, c.Unusable(err)
	}

	return object, nil
}

// Unusable returns the error for an answer that doesn't fit its request.
func (c *Client) Unusable(err error) error {
	return &authz.EngineError{Kind: authz.EngineUnavailable, Err: fmt.Errorf("%s: unusable answer: %w", c.name, err)}
}

// failure returns the error of ctx if it has ended, or else that the engine is
// unavailable. It drops the transport's error, whose text holds the URL and more.
func (c *Client) failure(ctx context.Context, what string) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w", c.name, cause)
	}

	return &authz.EngineError{Kind: authz.EngineUnavailable, Err: fmt.Errorf("%s: %s", c.name, what)}
}
