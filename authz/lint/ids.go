package lint

import (
	"slices"

	"github.com/usher-auth/usher/authz"
)

// The ids of findings that are no faults: the rule works, and is probably not what was
// meant. Those of faults are authz.FaultRuleInvalid and its neighbours.
const (
	// IDReason is a rule that is public, handler or deny and doesn't say why.
	IDReason = "USHER_REASON"
	// IDFieldRead is a field of the request that looks like the identifier of an object
	// and that no part of the rule reads: a caller who passes may name any object. This is
	// the first of OWASP's API security risks, broken object level authorization (API1).
	//
	// Such fields are "id", "name", "parent", those that end with "_id", "_uid" or "_uuid",
	// their plurals, those of a message such as DocumentId that has nothing but its value,
	// and those with google.api.resource_reference, also within messages of the request.
	// Not such fields are those that name a call ("request_id"), a place in a list
	// ("after_id") or a locale; a "name" beside an id; what a Create method makes; optional
	// filters of a List method beside an identifier that is read; users that an Add or Share
	// method names beside one; properties of a message whose id is read; and fields that
	// only servers write, by google.api.field_behavior. Under public, handler and deny no
	// field is a finding.
	IDFieldRead = "USHER_FIELD_READ"
	// IDRulePassable is a rule that no caller can pass, whatever the token and the request
	// say: each such finding is a proof.
	IDRulePassable = "USHER_RULE_PASSABLE"
	// IDNameSegment is a name pattern whose "*" takes any segment, and no part of the rule
	// reads that segment: the caller may write what it likes there.
	IDNameSegment = "USHER_NAME_SEGMENT"
	// IDConditionEffect is a condition that can't change the decision, or by which others
	// can't.
	IDConditionEffect = "USHER_CONDITION_EFFECT"
)

// Kind is a kind of finding.
type Kind struct {
	// ID is the id of the findings.
	ID string
	// Purpose is what must hold of a rule, as a sentence without its subject: "Checks that
	// …".
	Purpose string
	// NeedsSchema is set if such findings are made only with [Config.Schema].
	NeedsSchema bool
}

// Kinds returns the kinds of findings that [Lint] makes, sorted by id.
func Kinds() []Kind { return slices.Clone(kinds) }

var kinds = []Kind{
	{IDConditionEffect, "Checks that each condition of a rule can change the decision.", false},
	{IDFieldRead, "Checks that each field of a request that looks like an identifier is read by the rule.", false},
	{IDNameSegment, "Checks that each segment of a resource name is fixed or read by the rule.", false},
	{IDReason, "Checks that public, handler and deny have a reason.", false},
	{IDRulePassable, "Checks that some caller can pass each rule.", false},
	{authz.FaultRuleMissing, "Checks that each method has a rule.", false},
	{authz.FaultRuleInvalid, "Checks that each rule compiles.", false},
	{authz.FaultSchemaContext, "Checks that the context of each check fits the conditions of the engine's schema.", true},
	{authz.FaultSchemaContextLacking, "Checks that each check gives the context that conditions of the engine's schema need.", true},
	{authz.FaultSchemaRelation, "Checks that the engine's schema has each relation.", true},
	{authz.FaultSchemaSubject, "Checks that each kind of caller that a rule admits can have its relations by the engine's schema.", true},
	{authz.FaultSchemaType, "Checks that the engine's schema has each type.", true},
}
