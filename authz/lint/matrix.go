package lint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/schema"
)

// MatrixVersion is the version of the JSON that a [Matrix] is written as. It changes if a
// field changes its meaning or goes away, not if there are new ones.
const MatrixVersion = 1

// MaxMatrixMethods is how many methods a matrix has at most.
const MaxMatrixMethods = 100_000

// NamedPolicy is the policy of one server.
type NamedPolicy struct {
	// Name is how readers know the server, such as "documents". Required if there are
	// several policies, and unique among them.
	Name string
	// Policy is what [Compile] or an Authorizer returned. Required.
	Policy *authz.Policy
}

// MatrixConfig configures [NewMatrix].
type MatrixConfig struct {
	// Policies are the policies of the servers, at least one. Required.
	Policies []NamedPolicy
	// Schema is the engine's schema, which says who can hold a relation. Optional.
	// Default: the matrix doesn't say it.
	Schema *schema.Schema
	// Comparison marks the methods whose rules changed. Optional.
	Comparison *Comparison
	// Title is the title of the pages. Optional. Default: "Who may call what".
	Title string
}

// Matrix is who may call what: a row for each method. It is data, which [Matrix.JSON]
// writes as it is here; the names of its fields are those of the JSON. It isn't safe for
// concurrent changes.
type Matrix struct {
	// Version is [MatrixVersion].
	Version int `json:"version"`
	// Title is that of [MatrixConfig].
	Title string `json:"title"`
	// Schema is where the schema is from, empty if there is none.
	Schema string `json:"schema,omitempty"`
	// Counts are how many methods there are of each kind.
	Counts MatrixCounts `json:"counts"`
	// Servers are what is known of the servers, in the order of [MatrixConfig].
	Servers []MatrixServer `json:"servers"`
	// Methods are the rows, sorted by server, service and method.
	Methods []MatrixMethod `json:"methods"`
	// Removed are changed methods that no server has any more.
	Removed []MatrixChange `json:"removed,omitempty"`
}

// MatrixCounts counts the methods of a matrix.
type MatrixCounts struct {
	Methods  int `json:"methods"`
	Services int `json:"services"`
	// Public to Denied count each method once, by its [MatrixMethod.Access].
	Public        int `json:"public"`
	Authenticated int `json:"authenticated"`
	Condition     int `json:"condition"`
	Handler       int `json:"handler"`
	Denied        int `json:"denied"`
	// Faulty are those of the denied whose rule has a fault or is missing.
	Faulty int `json:"faulty"`
	// Changed are those that the comparison names.
	Changed int `json:"changed"`
}

// MatrixServer is one server of a matrix, with its policy.
type MatrixServer struct {
	// Name is that of its [NamedPolicy].
	Name string `json:"name,omitempty"`
	// Subjects are the templates of the server's configuration that checks ask about, by
	// the kind of the caller's token. Empty if they aren't known.
	Subjects MatrixSubjects `json:"subjects"`
	// IssuerSubjects are those of the issuers that have their own.
	IssuerSubjects map[string]MatrixSubjects `json:"issuer_subjects,omitempty"`
	// ClaimPermissions is set if permissions are those of the caller's token.
	ClaimPermissions bool `json:"claim_permissions"`
	// Faults are those of services that can't be read. Their methods aren't in the
	// matrix: each is denied.
	Faults []MatrixFault `json:"faults,omitempty"`
}

// MatrixSubjects are subjects by the kind of the caller's token.
type MatrixSubjects struct {
	Service string `json:"service,omitempty"`
	User    string `json:"user,omitempty"`
}

// MatrixFault is a fault of a rule, as an [authz.RuleError] has it.
type MatrixFault struct {
	ID     string `json:"id"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Method string `json:"method"`
	Path   string `json:"path,omitempty"`
	// Column is the byte offset within a template, from zero, or -1.
	Column  int    `json:"column"`
	Problem string `json:"problem"`
	Fix     string `json:"fix,omitempty"`
}

// MatrixChange is how a method's rule changed.
type MatrixChange struct {
	Method string `json:"method"`
	// Verdict is "looser", "tighter", "both" or "can't tell".
	Verdict string `json:"verdict"`
	// Differences are what changed, each with a witness.
	Differences []MatrixDifference `json:"differences"`
}

// MatrixDifference is one way in which a rule changed.
type MatrixDifference struct {
	Verdict string `json:"verdict"`
	Part    string `json:"part,omitempty"`
	Witness string `json:"witness"`
}

var errNoPolicies = errors.New("lint: MatrixConfig.Policies is empty")

// NewMatrix returns who may call what. It returns an error for a configuration without
// policies, for one that is nil, for two of one name, and for more than
// [MaxMatrixMethods] methods.
func NewMatrix(config MatrixConfig) (*Matrix, error) {
	if len(config.Policies) == 0 {
		return nil, errNoPolicies
	}
	m := &Matrix{Version: MatrixVersion, Title: cmp.Or(config.Title, "Who may call what"), Methods: []MatrixMethod{}}
	if config.Schema != nil {
		m.Schema = config.Schema.Source()
	}
	names, total := map[string]bool{}, 0
	for i, named := range config.Policies {
		switch {
		case named.Policy == nil:
			return nil, fmt.Errorf("lint: MatrixConfig.Policies[%d] %q has no policy", i, named.Name)
		case names[named.Name]:
			return nil, fmt.Errorf("lint: two of MatrixConfig.Policies have the name %q", named.Name)
		}
		names[named.Name] = true
		if total += len(named.Policy.Methods); total > MaxMatrixMethods {
			return nil, fmt.Errorf("lint: more than %d methods", MaxMatrixMethods)
		}
	}
	m.Methods = make([]MatrixMethod, 0, total)
	holders := holding{schema: config.Schema, known: map[schema.Reference]*MatrixHolders{}}
	for _, named := range config.Policies {
		m.Servers = append(m.Servers, matrixServer(named))
		for i := range named.Policy.Methods {
			m.Methods = append(m.Methods, matrixMethod(named, &named.Policy.Methods[i], &holders))
		}
	}
	slices.SortStableFunc(m.Methods, func(a, b MatrixMethod) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name))
	})
	m.mark(config.Comparison)
	m.count()

	return m, nil
}

func matrixServer(named NamedPolicy) MatrixServer {
	p := MatrixServer{
		Name: named.Name, Subjects: MatrixSubjects(named.Policy.Subjects),
		ClaimPermissions: named.Policy.ClaimPermissions, Faults: matrixFaults(named.Policy.Faults),
	}
	for issuer, subjects := range named.Policy.IssuerSubjects {
		if p.IssuerSubjects == nil {
			p.IssuerSubjects = map[string]MatrixSubjects{}
		}
		p.IssuerSubjects[issuer] = MatrixSubjects(subjects)
	}

	return p
}

func matrixFaults(faults []*authz.RuleError) []MatrixFault {
	var given []MatrixFault
	for _, f := range faults {
		given = append(given, MatrixFault{
			ID: f.ID, File: f.File, Line: f.Line, Method: f.Method, Path: f.Path, Column: f.Column, Problem: f.Problem, Fix: f.Fix,
		})
	}

	return given
}

// mark marks the methods that the comparison names.
func (m *Matrix) mark(comparison *Comparison) {
	if comparison == nil {
		return
	}
	changes := map[string]*MatrixChange{}
	for _, change := range comparison.Changes {
		if change.Verdict == Same && len(change.Differences) == 0 {
			continue
		}
		changed := &MatrixChange{Method: strings.TrimPrefix(change.Method, "/"), Verdict: verdictWord(change.Verdict), Differences: []MatrixDifference{}}
		for _, d := range change.Differences {
			changed.Differences = append(changed.Differences, MatrixDifference{verdictWord(d.Verdict), d.Part, d.Witness})
		}
		changes[changed.Method] = changed
	}
	here := map[string]bool{}
	for i := range m.Methods {
		m.Methods[i].Change = changes[m.Methods[i].Method]
		here[m.Methods[i].Method] = true
	}
	for _, change := range comparison.Changes {
		if name := strings.TrimPrefix(change.Method, "/"); !here[name] && changes[name] != nil {
			m.Removed = append(m.Removed, *changes[name])
		}
	}
}

func verdictWord(v Verdict) string {
	switch v {
	case Same:
		return "same"
	case Looser:
		return "looser"
	case Tighter:
		return "tighter"
	case Both:
		return "both"
	case CantTell:
		return "can't tell"
	default:
		return "can't tell"
	}
}

func (m *Matrix) count() {
	c, services := &m.Counts, map[[2]string]bool{}
	for i := range m.Methods {
		row := &m.Methods[i]
		c.Methods++
		services[[2]string{row.Server, row.Service}] = true
		switch row.Access {
		case AccessPublic:
			c.Public++
		case AccessAuthenticated:
			c.Authenticated++
		case AccessCondition:
			c.Condition++
		case AccessHandler:
			c.Handler++
		default:
			c.Denied++
		}
		if row.faulty() {
			c.Faulty++
		}
		if row.Change != nil {
			c.Changed++
		}
	}
	c.Services = len(services)
}
