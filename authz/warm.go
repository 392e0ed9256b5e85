package authz

import "github.com/usher-auth/usher/authz/internal/template"

// warmKey is the size of a key that is built without the heap: two ids of a UUID
// and their names fit.
const warmKey = 192

// warm says whether the decision cache grants the call. It is the whole of
// [Method.evaluate] for the common rule, one check of one object, where nothing
// has to be asked, explained or refused; whatever else is the case, it says no and
// evaluate finds out. The caller is the configured subject of the token's kind, nil
// if there is none.
func (m *Method) warm(call *Call, caller *subjectTemplate) bool {
	c, asker := m.simple, m.owner.asker
	if c == nil || asker.cache == nil || call.Fresh || call.Explain || m.owner.observer.Decided != nil {
		return false
	}
	// Objects and subjects read the message and the token; without the rest, the
	// caller's Call needs no heap.
	in := template.Input{Principal: call.Principal}
	if m.reads {
		if call.Message == nil {
			return false
		}
		if in.Message = call.Message.ProtoReflect(); in.Message.Descriptor() != m.input {
			return false
		}
	}
	subject := c.subject
	if subject == nil {
		if subject = caller; subject == nil {
			return false
		}
	}
	var array [warmKey]byte
	key := append(array[:0], c.prefix...)
	key, st, _ := c.object.Append(key, &in, 0)
	if st != template.StatusOK {
		return false
	}
	key = append(key, subject.prefix...)
	if key, st, _ = subject.template.Append(key, &in, 0); st != template.StatusOK {
		return false
	}
	effect, hit := asker.cache.get(key, asker.clock())

	return hit && effect == EffectAllowed
}

// simpleCheck is the rule's check where warm may decide by it.
func (m *Method) simpleCheck() *check {
	if m.policy != policyCondition || m.root.kind != nodeCheck || m.consistency.mode != ModeMinimizeLatency {
		return nil
	}
	if c := m.root.check; c.object.Fan() == nil && len(c.context) == 0 && c.cacheable {
		return c
	}

	return nil
}
