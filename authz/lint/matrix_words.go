package lint

import (
	"strconv"
	"strings"
)

// span is a piece of a text: the matrix's own words, or code, which is text of a rule and
// is never trusted.
type span struct {
	Text string
	Code bool
}

// spans are a text.
type spans []span //nolint:recvcheck // say and code append

func (s *spans) say(text string)  { *s = append(*s, span{Text: text}) }
func (s *spans) code(text string) { *s = append(*s, span{Text: text, Code: true}) }

// list appends codes with separators.
func (s *spans) list(codes []string, separator string) {
	for i, text := range codes {
		if i > 0 {
			s.say(separator)
		}
		s.code(text)
	}
}

// String returns the text without a mark of what is code.
func (s spans) String() string {
	var text strings.Builder
	for _, part := range s {
		text.WriteString(part.Text)
	}

	return text.String()
}

// words say who may call.
func (m *MatrixMethod) words() spans {
	var s spans
	switch {
	case len(m.Faults) == 1:
		s.say("no caller: the rule has a fault")
	case len(m.Faults) > 1:
		s.say("no caller: the rule has " + strconv.Itoa(len(m.Faults)) + " faults")
	case m.Policy == "":
		s.say("no caller: there is no rule")
	case m.Access == AccessPublic:
		s.say("anyone, without a token")
	case m.Access == AccessAuthenticated:
		s.say("any caller with a valid token")
	case m.Access == AccessHandler:
		s.say("the handler decides")
	case m.Access == AccessCondition:
		s = m.Condition.words(false)
	default:
		s.say("no caller")
	}

	return s
}

// words say the condition. Groups within groups have parentheses.
func (c *MatrixCondition) words(inside bool) spans {
	var s spans
	switch c.Kind {
	case "check":
		s.code(c.Relation)
		s.say(" of ")
		s.object(c.Object)
		s.asked(c)
	case "permission":
		s.say("permission ")
		s.code(c.Relation)
		if c.Object != "" {
			s.say(" on ")
			s.object(c.Object)
		}
		s.asked(c)
	case "attributes":
		s.say("by attributes, ")
		s.code(c.Relation)
		s.say(" on ")
		s.object(c.Object)
		s.asked(c)
	case "match":
		s.code(c.Left)
		s.say(" equals ")
		s.code(c.Right)
	case "expression":
		s.code(c.Expression)
	case "has_scope":
		s.say("scope ")
		s.code(c.Name)
	case "has_role":
		s.say("role ")
		s.code(c.Name)
	case "in_group":
		s.say("group ")
		s.code(c.Name)
	case "has_claim":
		s.say("claim ")
		s.code(c.Name)
		s.say(" is ")
		s.list(c.AnyOf, " or ")
	case kindAllOf, kindAnyOf:
		s = c.groupWords(inside)
	case kindDeeper:
		s.say("groups nested deeper")
	default:
		s.say("an empty condition")
	}

	return s
}

func (c *MatrixCondition) groupWords(inside bool) spans {
	var s spans
	separator := " and "
	if c.Kind == kindAnyOf {
		separator = " or "
	}
	if len(c.Conditions) == 0 {
		s.say("an empty group")
	}
	inside = inside && len(c.Conditions) > 1
	if inside {
		s.say("(")
	}
	for i := range c.Conditions {
		if i > 0 {
			s.say(separator)
		}
		s = append(s, c.Conditions[i].words(len(c.Conditions) > 1)...)
	}
	if inside {
		s.say(")")
	}

	return s
}

// object appends an object, and says if it stands for several.
func (s *spans) object(object string) {
	if strings.Contains(object, "[]") {
		s.say("each ")
	}
	s.code(object)
}

// asked appends what a check says beside its object.
func (s *spans) asked(c *MatrixCondition) {
	if c.Subject != "" {
		s.say(" for ")
		s.code(c.Subject)
	}
	var values int
	for _, of := range []struct {
		name   string
		values []MatrixValue
	}{{"", c.Context}, {"resource ", c.ResourceProperties}, {"subject ", c.SubjectProperties}, {"action ", c.ActionProperties}} {
		for _, value := range of.values {
			if values++; values == 1 {
				s.say(" with ")
			} else {
				s.say(", ")
			}
			s.say(of.name)
			s.code(value.Name)
			s.say(" = ")
			s.code(value.Value)
		}
	}
	if c.OnMissing != "" {
		s.say(" (denied if the request doesn't name it)")
	}
}

// detail is one more thing that a rule says.
type detail struct {
	Label string
	Spans spans
	// Inherited is set if it is the service's default.
	Inherited bool
}

// details say what the rule has beside its condition, the defaults left out.
func (m *MatrixMethod) details() []detail {
	var all []detail
	add := func(label, part string, build func(s *spans)) {
		d := detail{Label: label, Inherited: part != "" && m.inherits(part)}
		build(&d.Spans)
		all = append(all, d)
	}
	if t := m.Token; t != nil {
		lists := []struct {
			label, part, before string
			values              []string
			separator           string
		}{
			{"Callers", "access_token.kinds", "", t.Kinds, " or "},
			{"Issuer", "access_token.issuers", "", t.Issuers, " or "},
			{"Scopes", "access_token.scopes", "", t.Scopes, " and "},
			{"Any scope", "access_token.any_scope", "", t.AnyScope, " or "},
			{"acr", "access_token.acr_values", "", t.ACRValues, " or "},
		}
		for _, of := range lists {
			if len(of.values) > 0 {
				add(of.label, of.part, func(s *spans) { s.list(of.values, of.separator) })
			}
		}
		if t.MaxAge != "" {
			add("Authenticated", "access_token.max_age", func(s *spans) { s.say("within " + t.MaxAge) })
		}
		if t.Validation != "" {
			add("Validation", "access_token.validation", func(s *spans) { s.say(t.Validation) })
		}
	}
	if f := m.Freshness; f != nil && f.Mode != "minimize_latency" {
		add("Freshness", "consistency.mode", func(s *spans) {
			s.say(plain(f.Mode))
			if f.Revision != "" {
				s.say(" as ")
				s.code(f.Revision)
				s.say(", without one " + plain(f.IfAbsent))
			}
		})
	}
	if st := m.Stream; st != nil {
		add("Stream", "", func(s *spans) { s.say(st.directions()) })
		if st.MessageCheck != "" {
			add("Checks", "stream.message_check", func(s *spans) { s.say(st.checks()) })
		}
		if st.Recheck != "" {
			add("Rechecked", "stream.recheck_interval", func(s *spans) { s.say("every " + st.Recheck) })
		}
	}
	if l := m.RateLimit; l != nil {
		add("Limit", "rate_limit", func(s *spans) { s.say(l.words()) })
	}
	if m.OnDeny == "NOT_FOUND" {
		add("If denied", "on_deny", func(s *spans) { s.code("NOT_FOUND") })
	}

	return all
}

func plain(word string) string { return strings.ReplaceAll(word, "_", " ") }

func (s *MatrixStream) directions() string {
	switch {
	case s.Client && s.Server:
		return "both ways"
	case s.Client:
		return "of requests"
	default:
		return "of responses"
	}
}

func (s *MatrixStream) checks() string {
	if s.MessageCheck == "first_message" {
		return "first message, which later ones are held to"
	}

	return "each message"
}

func (l *MatrixRateLimit) words() string {
	text := strconv.FormatUint(uint64(l.Requests), 10) + " in " + l.Per + " for each " + l.Key
	if l.Key == "method" {
		text = strconv.FormatUint(uint64(l.Requests), 10) + " in " + l.Per + " for all together"
	}
	if l.Burst != l.Requests {
		text += ", " + strconv.FormatUint(uint64(l.Burst), 10) + " at once"
	}
	if l.Scope != "" {
		text += ", in each " + l.Scope
	}

	return text
}

// holders say who can hold the relations, by the schema; empty if there is none.
func (m *MatrixMethod) holders() spans {
	var s spans
	s.list(m.Who, ", ")
	switch {
	case m.WhoUnknown && len(m.Who) > 0:
		s.say(", others unknown")
	case m.WhoUnknown:
		s.say("unknown")
	case len(m.Who) == 0 && m.Condition.anyAsksCaller():
		s.say("no subject")
	}

	return s
}

// anyAsksCaller reports whether the schema tells who can pass a part of the condition.
func (c *MatrixCondition) anyAsksCaller() bool {
	return !c.each(func(c *MatrixCondition) bool { return !c.asksCaller() })
}
