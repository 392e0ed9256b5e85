package credentials

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/usher-auth/usher/credentials/internal/authn"
	"github.com/usher-auth/usher/internal/httpx"
)

// grant is the result of a fetch, checked and ready for use.
type grant struct {
	accessToken string
	lifetime    time.Duration
}

// fetch makes one token request. A request that is lost with an old connection
// is made once more.
func (g *group) fetch(ctx context.Context, s *source) (*grant, *failure) {
	endpoint, failed := g.locator.locate(ctx)
	if failed != nil {
		return nil, failed
	}
	granted, failed := g.exchange(ctx, s, endpoint)
	if failed != nil {
		g.locator.doubt()
	}
	return granted, failed
}

func (g *group) exchange(ctx context.Context, s *source, endpoint authn.Endpoint) (*grant, *failure) {
	clientID := g.clientID
	if g.clientIDFrom != nil {
		id, err := authn.Read(ctx, g.clientIDFrom, "the client id")
		if err != nil {
			return nil, failureOfAuth(err)
		}
		clientID = id
	}
	reader := &tokenReader{base: g.client.Transport, defaultLifetime: g.defaultLifetime, wall: g.wall}
	client := *g.client
	client.Transport = reader
	var ours error // the error if no request could be made
	err := httpx.Send(ctx, g.client, func(attempt context.Context) error {
		var config *clientcredentials.Config
		if config, ours = g.request(ctx, s, clientID, endpoint); ours != nil {
			return ours
		}
		_, err := config.Token(context.WithValue(attempt, oauth2.HTTPClient, &client))
		return err
	})
	if ours != nil {
		return nil, failureOfAuth(ours)
	}
	// The reader has checked the answer already: err is either its failure or a
	// fault of the transport.
	if err != nil {
		failed := failureOf(err)
		return nil, failed.during(http.MethodPost, endpoint.URL, s.target.hint(failed.err.Code))
	}
	if reader.granted == nil {
		failed := &failure{wide: true, err: &Error{Kind: KindMalformed, text: "the token endpoint's answer could not be read"}}
		return nil, failed.during(http.MethodPost, endpoint.URL, "")
	}
	return reader.granted, nil
}

// request returns one token request, with its own client authentication.
func (g *group) request(ctx context.Context, s *source, clientID string, endpoint authn.Endpoint) (*clientcredentials.Config, error) {
	proof, err := authn.Prove(ctx, g.auth, clientID, endpoint)
	if err != nil {
		return nil, err
	}
	form := maps.Clone(s.params)
	maps.Copy(form, proof.Params)
	config := &clientcredentials.Config{
		ClientID:       proof.ClientID,
		ClientSecret:   proof.Secret,
		TokenURL:       endpoint.URL,
		Scopes:         s.target.Scopes,
		EndpointParams: form,
		AuthStyle:      oauth2.AuthStyleInParams,
	}
	if proof.Basic {
		config.AuthStyle = oauth2.AuthStyleInHeader
	}
	return config, nil
}

// failureOfAuth returns the failure of client authentication that couldn't be
// made, so that nothing was sent. It is tried again soon, since what is missing
// is often just late.
func failureOfAuth(err error) *failure {
	text := "client authentication failed locally"
	if known := (*authn.Error)(nil); errors.As(err, &known) {
		text = known.Text
	}
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		err = fmt.Errorf("%w: %s", err, quoted(file.Path)) // only for the operator
	}
	return &failure{wide: true, err: &Error{Kind: KindMisconfigured, text: text, err: err}}
}

// failureOf classifies the error of an HTTP exchange by its type. It never
// keeps a RetrieveError of x/oauth2, which holds the body.
func failureOf(err error) *failure {
	if known := (*answerError)(nil); errors.As(err, &known) {
		return known.failure
	}
	if retrieve := (*oauth2.RetrieveError)(nil); errors.As(err, &retrieve) {
		return &failure{wide: true, err: &Error{Kind: KindMalformed, text: "the token endpoint's answer could not be read"}}
	}
	// The wrapper repeats the URL, whose query an operator may not want in logs.
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &failure{wide: true, unreached: isUnreached(err), err: &Error{Kind: KindUnavailable, text: describe(err), err: err}}
}

// isUnreached reports whether err means that no connection could be made.
func isUnreached(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// answerError carries a failure through http.Client and x/oauth2, which return
// a transport's error unchanged.
type answerError struct{ *failure }

func (f *answerError) Error() string { return f.err.Error() }

// tokenReader is the transport of one token request. It reads the answer by the
// rules of this package and returns to x/oauth2 a plain answer or an error.
type tokenReader struct {
	base            http.RoundTripper
	defaultLifetime time.Duration
	wall            func() time.Time
	granted         *grant
}

// RoundTrip implements http.RoundTripper.
func (r *tokenReader) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	resp, err := r.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	granted, failed := readToken(resp, r.defaultLifetime, r.wall())
	if failed != nil {
		return nil, &answerError{failed}
	}
	r.granted = granted
	return plainAnswer(req, granted)
}
