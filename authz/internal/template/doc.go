// Package template parses and renders the texts with placeholders in rules and
// configurations, such as "document:{document_id}" and "user:{$issuer}/{$sub}".
//
// [Parse] checks a text for the [Role] that it has in a rule and resolves its fields
// in the request's message type, so that everything that can be wrong with the text
// is a [Fault] at the start. The methods of a [Template] then return what it
// reads, and append its value for one [Input] to a buffer:
//
//	t, fault := template.Parse("document:{ids[]}", template.RoleObject, input)
//	…
//	for i := range t.Count(&in) {
//		buf, status, part = t.Append(buf, &in, i)
//	}
//
// A value that is appended with [StatusOK] has passed the screen of the role: in an
// object or a subject, it contains nothing that an engine reads as syntax, and nothing
// that could be taken for the literal that follows it. With any other status, don't
// use the buffer's end. Append is part of every warm decision: for fields
// that aren't repeated and for the token's own strings it allocates nothing but a
// larger buffer.
//
// The package doesn't depend on rules, engines or decisions. Its caller determines what
// a status means for a call.
package template
