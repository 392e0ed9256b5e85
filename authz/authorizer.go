package authz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Authorizer holds the compiled rules and decides calls by them. It is immutable
// and safe for concurrent use.
type Authorizer struct {
	methods  map[string]*Method
	ruleless map[string]*site // where the methods without a rule are declared
	faults   []*RuleError
	subjects compiledSubjects
	ruled    []*ruledSubject // of the service that is being compiled
	issuers  issuerNames
	fronts   *fronts
	compiler ExpressionCompiler
	// claims is set if permissions are those of the caller's token.
	claims     bool
	maxObjects int
	now        func() time.Time
	observer   Observer
}

// New compiles the rules of every service that the resolver returns. It does no
// I/O. It returns an error for a fault of the configuration or of a rule in code,
// all of them joined. A faulty rule in a .proto is not an error here, since its
// service may merely be linked: the method is denied, the observer is told, and
// [Authorizer.ValidateMethods] reports the fault for the methods that are served.
func New(config Config) (*Authorizer, error) {
	config.Observer = config.Observer.contained()
	a := &Authorizer{
		methods: map[string]*Method{}, ruleless: map[string]*site{}, maxObjects: config.MaxObjects, now: config.Now, observer: config.Observer,
	}
	errs := config.validate()
	if a.maxObjects == 0 {
		a.maxObjects = defaultMaxObjects
	}
	if a.now == nil {
		a.now = time.Now
	}
	var err error
	if config.issuers, err = namesOf(config.Issuers); err != nil {
		errs = append(errs, err)
	}
	a.issuers = config.issuers
	errs = append(errs, config.validateIssuers()...)
	if a.subjects, err = compileSubjects(&config); err != nil {
		errs = append(errs, err)
	}
	a.fronts, a.compiler = newFronts(&config), config.Expressions
	a.claims = areClaims(config.Permissions)
	if err := a.compile(&config); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	a.placeLimits(&config)
	if report := a.observer.RuleFault; report != nil {
		for _, fault := range sortedRuleErrors(a.faults) {
			report(fault)
		}
	}

	return a, nil
}

func (c *Config) validate() []error {
	var errs []error
	if c.Timeout < 0 {
		errs = append(errs, errors.New("authz: Config.Timeout is negative"))
	}
	if c.MaxObjects < 0 {
		errs = append(errs, errors.New("authz: Config.MaxObjects is negative"))
	}
	if c.LimiterSize < 0 || c.LimiterSize > maxLimiterSize {
		errs = append(errs, fmt.Errorf("authz: Config.LimiterSize isn't from 0 to %d", maxLimiterSize))
	}
	if c.Breaker.OpenFor < 0 {
		errs = append(errs, errors.New("authz: Config.Breaker.OpenFor is negative"))
	}
	if c.Breaker.Window < 0 {
		errs = append(errs, errors.New("authz: Config.Breaker.Window is negative"))
	}
	if c.Breaker.Failures > maxFailures {
		errs = append(errs, fmt.Errorf("authz: Config.Breaker.Failures is more than %d", maxFailures))
	}
	switch cache := c.Cache; {
	case cache.Size < 0:
		errs = append(errs, errors.New("authz: Config.Cache.Size is negative"))
	case cache.Size > 0 && cache.TTL <= 0:
		errs = append(errs, errors.New("authz: Config.Cache.TTL must be positive"))
	case cache.Size > 0 && (cache.DeniedTTL < 0 || cache.DeniedTTL > cache.TTL):
		errs = append(errs, errors.New("authz: Config.Cache.DeniedTTL must be between zero and TTL"))
	case cache.Size == 0 && (cache.TTL != 0 || cache.DeniedTTL != 0):
		errs = append(errs, errors.New("authz: Config.Cache has a lifetime and no Size"))
	}

	return errs
}

// Method returns the compiled rule of a method, named as in "/pkg.Service/Method".
// It is never nil: a method without a rule is denied.
func (a *Authorizer) Method(fullMethod string) *Method {
	if m, ok := a.methods[fullMethod]; ok {
		return m
	}

	return &Method{owner: a, name: fullMethod, missing: true}
}

// IssuerNames returns the short names of the issuers that the configuration names,
// or none if it names none.
func (a *Authorizer) IssuerNames() []string { return slices.Clone(a.issuers) }

// Authorize decides one call by method name; see [Method.Authorize].
func (a *Authorizer) Authorize(ctx context.Context, fullMethod string, principal Principal, message proto.Message) (*Decision, error) {
	return a.Method(fullMethod).Authorize(ctx, &Call{Principal: principal, Message: message})
}

// ValidateMethods returns everything that is wrong with the rules of the methods,
// each named as in "/pkg.Service/Method": every [*RuleError] of each, and one for
// each method that has no rule. Call it with the methods that a server serves,
// before it serves them.
func (a *Authorizer) ValidateMethods(fullMethods ...string) error {
	var faults []*RuleError
	for _, name := range fullMethods {
		m := a.Method(name)
		if m.missing {
			fault := &RuleError{
				ID: FaultRuleMissing, Method: strings.TrimPrefix(name, "/"), Column: -1, Problem: "the method has no rule, so it is denied",
				Fix: "write option (.usher.authz.v1.rule) beside it, or give it a rule in code",
			}
			if at, ok := a.ruleless[name]; ok {
				fault.File, fault.Line = at.file, at.line
			}
			faults = append(faults, fault)
		}
		for _, fault := range m.faults {
			// A fault of the service's rule is in each of its methods.
			if !slices.Contains(faults, fault) {
				faults = append(faults, fault)
			}
		}
	}

	return joinRuleErrors(faults)
}

// compile compiles every method that has a rule and returns the faults of rules in
// code.
func (a *Authorizer) compile(config *Config) error {
	var resolver Resolver = protoregistry.GlobalFiles
	if config.Resolver != nil {
		resolver = config.Resolver
	}
	code, err := newCodeRules(config.Rules)
	errs := []error{err}
	from := map[protoreflect.FullName]string{}
	resolver.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		services := file.Services()
		for i := range services.Len() {
			name := services.Get(i).FullName()
			if first, twice := from[name]; twice {
				// Which of two rules counts must not depend on the order of files.
				errs = append(errs, fmt.Errorf("authz: Resolver: service %s stands in %s and in %s; give one of them", name, first, file.Path()))

				continue
			}
			from[name] = file.Path()
			errs = append(errs, a.compileService(services.Get(i), code))
		}

		return true
	})
	errs = append(errs, code.unmatched())

	return errors.Join(errs...)
}

// compileService compiles the methods of one service. It returns the faults of
// rules in code, and keeps those of the .proto.
func (a *Authorizer) compileService(sd protoreflect.ServiceDescriptor, code *codeRules) (err error) {
	defer func() {
		// Reflection over malformed descriptors can panic. The fault is reported,
		// and the methods that weren't reached have no rule, so they are denied.
		if recovered := recover(); recovered != nil {
			a.faults = append(a.faults, &RuleError{
				ID: FaultRuleInvalid, Method: string(sd.FullName()), Column: -1,
				Problem: fmt.Sprintf("the descriptor can't be read: %v", recovered), Fix: "generate it again",
			})
		}
	}()
	service, readErr := serviceRule(sd)
	var serviceFault *RuleError
	if readErr != nil {
		at := newSite(sd, string(sd.FullName()))
		at.fail("service_rule", -1, readErr.Error(), "use the version of usher that the .proto was written for")
		serviceFault = at.faults[0]
		a.faults = append(a.faults, serviceFault)
	}
	var codeFaults []*RuleError
	a.ruled = nil
	methods := sd.Methods()
	for i := range methods.Len() {
		md := methods.Get(i)
		at := newSite(md, string(sd.FullName())+"/"+string(md.Name()))
		own, readErr := methodRule(md)
		if readErr != nil {
			at.fail(pathRule, -1, readErr.Error(), "use the version of usher that the .proto was written for")
		}
		inCode := code.find(sd.FullName(), md.Name())
		inProto := own != nil || readErr != nil || service != nil || serviceFault != nil
		switch {
		case inCode != nil && inProto:
			at.fail("", -1, "the method has a rule in its .proto and one in code", "leave the one in code out")
		case inCode != nil:
			at.file, at.line = codeFile, 0
			own = proto.CloneOf(inCode)
		case !inProto:
			a.ruleless[fullMethod(md)] = at

			continue
		}
		m := a.compileOne(md, at, own, service, serviceFault)
		a.methods[m.name] = m
		if inCode != nil {
			codeFaults = append(codeFaults, m.faults...)
		} else {
			for _, fault := range m.faults {
				if fault != serviceFault {
					a.faults = append(a.faults, fault)
				}
			}
		}
	}
	for _, r := range tellApart(a.ruled) {
		r.method.faults = append(r.method.faults, r.fault)
		if r.site.file == codeFile {
			codeFaults = append(codeFaults, r.fault)
		} else {
			a.faults = append(a.faults, r.fault)
		}
	}

	return joinRuleErrors(codeFaults)
}

// compileOne compiles a method, unless its rule can't be read.
func (a *Authorizer) compileOne(
	md protoreflect.MethodDescriptor, at *site, own *authzv1.Rule, service *authzv1.ServiceRule, serviceFault *RuleError,
) *Method {
	if serviceFault != nil {
		at.faults = append(at.faults, serviceFault)
	}
	if len(at.faults) > 0 {
		return &Method{owner: a, name: fullMethod(md), at: at, faults: at.faults}
	}
	if service.GetRequireMethodPolicy() && own.GetPolicy() == nil {
		at.fail(pathRule, -1, "the service demands a policy of each method and this one has none", "set public, authenticated, check, permission, attributes, match, expression, all_of, any_of, handler or deny")
	}

	return a.compileMethod(md, at, own, service.GetDefault())
}

// newSite returns the place where a rule is declared. Only descriptor sets have
// source info.
func newSite(d protoreflect.Descriptor, method string) *site {
	at := &site{of: d, method: method}
	file := d.ParentFile()
	if file == nil {
		return at
	}
	at.file = file.Path()
	locations := file.SourceLocations()
	// 4 is the number of options in MethodDescriptorProto, 3 in
	// ServiceDescriptorProto.
	options := int32(3)
	if _, isMethod := d.(protoreflect.MethodDescriptor); isMethod {
		options = 4
	}
	location := locations.ByDescriptor(d)
	if location.Path == nil {
		return at
	}
	path := append(slices.Clone(location.Path), options, int32(optionNumber))
	if exact := locations.ByPath(path); exact.Path != nil {
		location = exact
	}
	at.line = location.StartLine + 1

	return at
}
