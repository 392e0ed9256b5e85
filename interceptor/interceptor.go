package interceptor

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

// Faults of the service itself, which callers see as INTERNAL.
var (
	errUnchecked = errors.New("interceptor: the rule leaves the decision to the handler, which answered without a check that was granted; an answer that needs none says so by authz.EmptyFromContext")
	errNobody    = errors.New("interceptor: the method has no usable rule")
	errNotProto  = errors.New("interceptor: the rule reads the message, which is no protobuf message here")
)

// errNoService is returned for a server that is validated too early.
var errNoService = errors.New("interceptor: the server has no service; validate it after the last one is registered")

// The types of package verify that implement the interfaces of package authz.
var (
	_ authz.Principal   = (*verify.Principal)(nil)
	_ authz.IssuerNamer = (*verify.JWT)(nil)
	_ authz.IssuerNamer = (*verify.Introspection)(nil)
	_ authz.IssuerNamer = (*verify.Hybrid)(nil)
	_ authz.IssuerNamer = (*verify.MultiIssuer)(nil)
)

// Interceptor guards a server's calls, unary and streaming. It is immutable and
// safe for concurrent use. One interceptor may guard several servers.
type Interceptor struct {
	verifier            verify.Verifier
	authorizer          *authz.Authorizer
	hooks               *hooks
	refusals            refusals
	maxTokenBytes       int
	verifierIsOurs      bool
	firstMessageTimeout time.Duration
	addresses           addresses
}

// New returns an Interceptor. It does no I/O. It returns an error, with all faults
// at once, if the configuration can't work. A faulty rule isn't such a fault: it
// denies its method, and [Interceptor.ValidateServer] reports it.
func New(cfg Config) (*Interceptor, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}

	return &Interceptor{
		verifier:            cfg.Verifier,
		authorizer:          cfg.Authorizer,
		hooks:               &hooks{observer: cfg.Observer},
		refusals:            refusals{domain: cfg.ErrorDomain, realm: cfg.Realm},
		maxTokenBytes:       cfg.MaxTokenBytes,
		verifierIsOurs:      isOurs(cfg.Verifier),
		firstMessageTimeout: cfg.FirstMessageTimeout,
		addresses:           newAddresses(&cfg),
	}, nil
}

// ServerOptions returns the options that put the interceptor on a server, for
// unary calls and streams alike. Interceptors in options before these run before
// it.
func (i *Interceptor) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(i.Unary),
		grpc.ChainStreamInterceptor(i.Stream),
	}
}

// ServiceInfoProvider is a server that lists its services, such as a *grpc.Server.
type ServiceInfoProvider interface {
	GetServiceInfo() map[string]grpc.ServiceInfo
}

// ValidateServer returns every fault in the rules of all methods that are
// registered on the server, at once; a method without a rule is such a fault. Call
// it after the last registration: a server without services is an error. A method
// that is registered later, or is unknown, is denied when it is called.
//
// A rule whose validation the verifier can't do is a fault, too, if the verifier
// has a method Validates, as those of package verify have.
func (i *Interceptor) ValidateServer(server ServiceInfoProvider) error {
	methods, err := methodsOf(server)
	if err != nil {
		return err
	}

	return errors.Join(append(unjoined(i.authorizer.ValidateMethods(methods...)), i.validationFaults(methods)...)...)
}

// methodsOf returns the methods that are registered on the server, sorted.
func methodsOf(server ServiceInfoProvider) ([]string, error) {
	services := server.GetServiceInfo()
	if len(services) == 0 {
		return nil, errNoService
	}
	var methods []string
	for service, info := range services {
		for _, method := range info.Methods {
			methods = append(methods, "/"+service+"/"+method.Name)
		}
	}
	sort.Strings(methods)

	return methods, nil
}

// validationFaults returns a fault for each method whose tokens the verifier can't
// validate as the rule demands. A verifier that doesn't say what it can do isn't
// judged.
func (i *Interceptor) validationFaults(methods []string) []error {
	verifier, ok := i.verifier.(interface {
		Validates(way verify.Validation) bool
	})
	if !ok {
		return nil
	}
	var faults []error
	for _, name := range methods {
		way := validationOf(i.authorizer.Method(name).Validation())
		if way == verify.ValidationDefault || verifier.Validates(way) {
			continue
		}
		fault := &authz.RuleError{
			ID: authz.FaultRuleInvalid, Method: strings.TrimPrefix(name, "/"), Path: "rule.access_token.validation", Column: -1,
			Problem: "the verifier can't introspect tokens", Fix: "use verify.NewIntrospection or verify.NewHybrid, or leave validation out",
		}
		if way == verify.ValidationLocal {
			fault.Problem, fault.Fix = "the verifier can't validate tokens locally", "use verify.NewJWT or verify.NewHybrid, or leave validation out"
		}
		faults = append(faults, fault)
	}

	return faults
}

// unjoined returns the errors that err joins.
func unjoined(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.Clone(joined.Unwrap())
	}

	return []error{err}
}

// report is what is known about a verdict when the hooks are told of it.
type report struct {
	method    *authz.Method
	name      string
	occasion  Occasion
	principal *verify.Principal
	decision  *authz.Decision
	watch     stopwatch
	// peerIP is the address that rules read. Unless located is set, it hasn't been
	// looked for.
	peerIP  netip.Addr
	located bool
}

// granted reports a grant.
func (i *Interceptor) granted(ctx context.Context, r report) {
	if i.hooks.observer.Decided == nil {
		return
	}
	i.hooks.decided(ctx, Decided{
		Method: r.name, Known: r.known(), Occasion: r.occasion, Principal: r.principal, Decision: r.decision,
		Code: codes.OK, PeerIP: r.peerIP, Duration: r.watch.elapsed(),
	})
}

// refused turns the cause of a refusal into the error that the caller sees, and
// reports it.
func (i *Interceptor) refused(ctx context.Context, r report, cause error) *Error {
	refusal := i.refusals.of(ctx, cause, r.method.HidesExistence())
	if i.hooks.observer.Decided != nil {
		if !r.located {
			r.peerIP, _ = i.peerIP(ctx) // a panic is reported there; the cause of this refusal is another
		}
		var unverified *verify.Unverified
		if fault := (*verify.Error)(nil); errors.As(refusal.cause, &fault) && fault != nil {
			unverified = fault.Unverified
		}
		i.hooks.decided(ctx, Decided{
			Method: r.name, Known: r.known(), Occasion: r.occasion, Principal: r.principal, Decision: r.decision,
			Reason: refusal.Reason, Code: refusal.status.Code(), DecisionID: refusal.DecisionID,
			Err: refusal.cause, Duration: r.watch.elapsed(), Peer: connectionAddress(ctx), PeerIP: r.peerIP, Unverified: unverified,
		})
	}

	return refusal
}

// known reports whether the method has a rule: then its name is one of a bounded
// set, and can be a label.
func (r report) known() bool { return r.method.Rule() != "" }

// closed reports whether the method has no rule, or a faulty one: it admits no
// caller, so the credential needn't be looked at.
func closed(method *authz.Method) bool { return method.Rule() == "" || method.Err() != nil }
