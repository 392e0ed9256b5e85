package lint

import (
	"strconv"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// ordered returns the difference between two values of a setting of which more is
// stricter, nil if they are equal.
func ordered(part string, old, new int, looser, tighter string) []Difference { //nolint:predeclared // the words for it
	switch {
	case new < old:
		return []Difference{{Looser, part, looser}}
	case new > old:
		return []Difference{{Tighter, part, tighter}}
	default:
		return nil
	}
}

// settings returns how the settings of two rules differ that both admit some callers.
func (p *rulePair) settings(old, new *authz.MethodPolicy, before, after *built) []Difference { //nolint:predeclared // the words for it
	differences := ratesLimited(old.Rule.GetRateLimit(), new.Rule.GetRateLimit())
	if old.ClientStreaming != new.ClientStreaming || old.ServerStreaming != new.ServerStreaming {
		differences = append(differences, Difference{CantTell, "stream", "can't tell: the method is " + streamShape(new) + " now, and was " + streamShape(old)})
	}
	if before.public || after.public {
		return differences
	}
	differences = append(differences, validatedBy(old.Rule.GetAccessToken().GetValidation(), new.Rule.GetAccessToken().GetValidation())...)
	differences = append(differences, streamed(old, new)...)
	if before.asks && after.asks {
		differences = append(differences, freshened(old.Rule.GetConsistency(), new.Rule.GetConsistency())...)
	}

	return append(differences, p.unnamed(new.Rule, before.missing, after.missing)...)
}

// streamShape returns in words whether a method is a stream.
func streamShape(m *authz.MethodPolicy) string {
	switch {
	case m.ClientStreaming && m.ServerStreaming:
		return "a stream of both sides"
	case m.ClientStreaming:
		return "a stream of the caller's"
	case m.ServerStreaming:
		return "a stream of the server's"
	default:
		return "unary"
	}
}

// refusalsTold returns what the code of a refusal tells that it didn't.
func refusalsTold(old, new *authzv1.Rule) []Difference { //nolint:predeclared // the words for it
	if old.GetPublic() != nil || new.GetPublic() != nil {
		return nil
	}
	rank := func(rule *authzv1.Rule) int {
		if rule.GetOnDeny() == authzv1.OnDeny_ON_DENY_NOT_FOUND {
			return 1
		}

		return 0
	}

	return ordered("on_deny", rank(old), rank(new),
		"now also told: a caller that is refused learns by PERMISSION_DENIED that what it asked for may exist",
		"no longer told: a caller that is refused gets NOT_FOUND, whether what it asked for exists or not")
}

func validatedBy(old, new authzv1.Validation) []Difference { //nolint:predeclared // the words for it
	rank := func(v authzv1.Validation) int {
		switch v {
		case authzv1.Validation_VALIDATION_LOCAL:
			return 0
		case authzv1.Validation_VALIDATION_INTROSPECT:
			return 2
		case authzv1.Validation_VALIDATION_UNSPECIFIED:
			return 1
		default:
			return 1
		}
	}
	looser, tighter := "now also: a token that was revoked, until it expires", "no longer: a token that was revoked"
	if old == authzv1.Validation_VALIDATION_UNSPECIFIED || new == authzv1.Validation_VALIDATION_UNSPECIFIED {
		looser += ", if the verifier validates it locally in one version only"
		tighter += ", if the verifier validates it locally in one version only"
	}

	return ordered("access_token.validation", rank(old), rank(new), looser, tighter)
}

// streamed compares how the messages of a stream are checked.
func streamed(old, new *authz.MethodPolicy) []Difference { //nolint:predeclared // the words for it
	var differences []Difference
	first := func(m *authz.MethodPolicy) bool {
		return m.Rule.GetStream().GetMessageCheck() == authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE
	}
	switch {
	case !old.ClientStreaming && !new.ClientStreaming: // there is one message
	case first(new) && !first(old):
		differences = append(differences, Difference{
			Both, "stream.message_check",
			"now also: a later message that leaves the object unset, or of a caller that lost access since the first; no longer: a later message that names another object",
		})
	case first(old) && !first(new):
		differences = append(differences, Difference{
			Both, "stream.message_check",
			"now also: a later message that names another object; no longer: one that leaves the object unset, or of a caller that lost access since the first",
		})
	}
	const part = "stream.recheck_interval"
	before, after := old.Rule.GetStream().GetRecheckInterval().AsDuration(), new.Rule.GetStream().GetRecheckInterval().AsDuration()
	// A message is asked about each time if no decision is reused.
	each := old.ClientStreaming && new.ClientStreaming && !first(old) && !first(new)
	switch {
	case before == after:
	case after == 0:
		difference := Difference{Looser, part, "now also: a stream whose caller lost access, as long as its token is valid; it was asked about every " + spanOf(before)}
		if each {
			difference.Verdict = Both
			difference.Witness += "; no longer: a message of a caller that lost access in the last " + spanOf(before)
		}
		differences = append(differences, difference)
	case before == 0:
		difference := Difference{Tighter, part, "no longer: a stream whose caller lost access more than " + spanOf(after) + " ago"}
		if each {
			difference.Verdict = Both
			difference.Witness += "; now also: a message of a caller that lost access in the last " + spanOf(after)
		}
		differences = append(differences, difference)
	case after > before:
		differences = append(differences, Difference{Looser, part, "now also: a stream whose caller lost access " + spanOf(before) + " to " + spanOf(after) + " ago"})
	default:
		differences = append(differences, Difference{Tighter, part, "no longer: a stream whose caller lost access " + spanOf(after) + " to " + spanOf(before) + " ago"})
	}

	return differences
}

// fresh compares how fresh answers must be, for a call that names a revision and for one
// that doesn't.
func freshened(old, new *authzv1.Consistency) []Difference { //nolint:predeclared // the words for it
	const atLeast, full = 1, 2
	ranks := func(c *authzv1.Consistency) (named, absent int) {
		switch c.GetMode() {
		case authzv1.Mode_MODE_FULLY_CONSISTENT:
			return full, full
		case authzv1.Mode_MODE_AT_LEAST_AS_FRESH:
			if c.GetIfAbsent() == authzv1.Mode_MODE_MINIMIZE_LATENCY {
				return atLeast, 0
			}

			return atLeast, full
		case authzv1.Mode_MODE_UNSPECIFIED, authzv1.Mode_MODE_MINIMIZE_LATENCY:
			return 0, 0
		default:
			return full, full
		}
	}
	wasNamed, wasAbsent := ranks(old)
	isNamed, isAbsent := ranks(new)
	const looser = "now also: a caller that lost access a moment ago, by an older answer of the engine"
	const tighter = "no longer: a caller that lost access a moment ago, by an older answer of the engine"
	switch {
	case wasNamed == isNamed:
		differences := ordered("consistency.if_absent", wasAbsent, isAbsent, looser+", if the call names no revision", tighter+", if the call names no revision")
		if wasNamed == atLeast && old.GetRevision() != new.GetRevision() {
			differences = append(differences, Difference{
				CantTell, "consistency.revision", "can't tell: the revision is " + worded(new.GetRevision()) + " and was " + worded(old.GetRevision()),
			})
		}

		return differences
	case (isNamed > wasNamed && isAbsent < wasAbsent) || (isNamed < wasNamed && isAbsent > wasAbsent):
		return []Difference{
			{Looser, "consistency.mode", looser + ", for some calls"},
			{Tighter, "consistency.mode", tighter + ", for others"},
		}
	default:
		return ordered("consistency.mode", wasNamed, isNamed, looser, tighter)
	}
}

// unnamed compares what conditions do if the request names no object: that it is refused
// with INVALID_ARGUMENT tells a caller which field the rule reads.
func (p *rulePair) unnamed(rule *authzv1.Rule, old, new []missingObject) []Difference { //nolint:predeclared // the words for it
	type seen struct{ denies, tells bool }
	// Of an object, not of a condition: the field that it reads is what is told.
	object := func(m missingObject) string { return p.atoms.list[m.atom].object }
	of := func(all []missingObject) map[string]seen {
		found := make(map[string]seen, len(all))
		for _, m := range all {
			s := found[object(m)]
			s.denies, s.tells = s.denies || m.deny, s.tells || !m.deny
			found[object(m)] = s
		}

		return found
	}
	before, after := of(old), of(new)
	var differences []Difference
	for _, m := range new {
		was, had := before[object(m)]
		is := after[object(m)]
		if !had || is.tells == was.tells || m.deny == is.tells {
			continue
		}
		before[object(m)] = is // once
		if len(differences) == maxWitnesses {
			break
		}
		path := pathOfCondition(rule, m.condition) + ".on_missing"
		about := worded(object(m))
		if is.tells {
			differences = append(differences, Difference{Looser, path, "now also told: a caller that leaves " + about + " unset learns by INVALID_ARGUMENT which field is missing"})
		} else {
			differences = append(differences, Difference{Tighter, path, "no longer told: a caller that leaves " + about + " unset is refused as one without the relation"})
		}
	}

	return differences
}

// pathOfCondition returns the path of one of the conditions of a rule that an engine
// decides, by its number.
func pathOfCondition(rule *authzv1.Rule, number int) string {
	switch policy := rule.GetPolicy().(type) {
	case *authzv1.Rule_Check:
		return "check"
	case *authzv1.Rule_Permission:
		return "permission"
	case *authzv1.Rule_Attributes:
		return "attributes"
	case *authzv1.Rule_AllOf:
		return pathWithin(policy.AllOf.GetConditions(), "all_of", &number)
	case *authzv1.Rule_AnyOf:
		return pathWithin(policy.AnyOf.GetConditions(), "any_of", &number)
	default:
		return ""
	}
}

// pathWithin is pathOfCondition for a group. It counts down to the number.
func pathWithin(conditions []*authzv1.Condition, path string, number *int) string {
	for i, condition := range conditions {
		at, name := path+".conditions["+strconv.Itoa(i)+"].", ""
		switch part := condition.GetCondition().(type) {
		case *authzv1.Condition_Check:
			name = "check"
		case *authzv1.Condition_Permission:
			name = "permission"
		case *authzv1.Condition_Attributes:
			name = "attributes"
		case *authzv1.Condition_AllOf:
			if found := pathWithin(part.AllOf.GetConditions(), at+"all_of", number); found != "" {
				return found
			}
		case *authzv1.Condition_AnyOf:
			if found := pathWithin(part.AnyOf.GetConditions(), at+"any_of", number); found != "" {
				return found
			}
		default:
		}
		if name == "" {
			continue
		}
		if *number == 0 {
			return at + name
		}
		*number--
	}

	return ""
}
