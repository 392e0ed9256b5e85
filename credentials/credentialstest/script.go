package credentialstest

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxLog bounds the requests kept for each endpoint.
const maxLog = 10_000

// Request is what an endpoint received.
type Request struct {
	// At is when it arrived.
	At time.Time
	// Header and Form are what it carried.
	Header http.Header
	Form   url.Values
}

// endpoint counts requests and knows what to do with the next ones.
type endpoint struct {
	mu       sync.Mutex
	script   []Fault
	always   Fault
	count    int
	inFlight int
	peak     int
	log      []Request
	arrived  chan struct{} // closed and replaced at each request
}

// Always makes a fault the answer to every request from where it stands in a
// script.
func Always(f Fault) Fault { return always{f} }

type always struct{ Fault }

// Script says what happens to the next requests to an endpoint, one fault for
// each; then it answers again. Faults scripted before come first. It ends an
// Always.
func (i *Issuer) Script(name Endpoint, faults ...Fault) {
	e := i.endpoints[name]
	e.mu.Lock()
	defer e.mu.Unlock()
	e.always = nil
	e.script = append(e.script, faults...)
}

// Heal forgets the script of an endpoint: it answers again.
func (i *Issuer) Heal(name Endpoint) {
	e := i.endpoints[name]
	e.mu.Lock()
	defer e.mu.Unlock()
	e.always, e.script = nil, nil
}

// Requests is how many requests an endpoint got.
func (i *Issuer) Requests(name Endpoint) int {
	e := i.endpoints[name]
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

// Peak is the most requests that were at an endpoint at the same time.
func (i *Issuer) Peak(name Endpoint) int {
	e := i.endpoints[name]
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peak
}

// Received returns what an endpoint got, oldest first, at most the first 10,000.
func (i *Issuer) Received(name Endpoint) []Request {
	e := i.endpoints[name]
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.log)
}

// Await waits until an endpoint got n requests in all.
func (i *Issuer) Await(ctx context.Context, name Endpoint, n int) error {
	e := i.endpoints[name]
	for {
		e.mu.Lock()
		count, arrived := e.count, e.arrived
		e.mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// arrive counts a request and takes the fault for it, or nil.
func (e *endpoint) arrive(r *http.Request) Fault {
	entry := Request{At: time.Now(), Header: r.Header.Clone(), Form: copyForm(r)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count++
	e.inFlight++
	e.peak = max(e.peak, e.inFlight)
	if len(e.log) < maxLog {
		e.log = append(e.log, entry)
	}
	close(e.arrived)
	e.arrived = make(chan struct{})
	if len(e.script) > 0 {
		next := e.script[0]
		e.script = e.script[1:]
		if a, ok := next.(always); ok {
			e.always = a.Fault
			return a.Fault
		}
		return next
	}
	return e.always
}

func (e *endpoint) leave() {
	e.mu.Lock()
	e.inFlight--
	e.mu.Unlock()
}

// copyForm reads the form and puts the body back for the endpoint.
func copyForm(r *http.Request) url.Values {
	if r.Body == nil || r.Method != http.MethodPost {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(strings.NewReader(string(data)))
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return nil
	}
	return form
}
