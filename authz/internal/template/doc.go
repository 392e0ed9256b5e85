// Package template reads texts with placeholders, as rules and configurations have
// them: "document:{document_id}", "user:{$issuer}/{$sub}".
//
// [Parse] checks a text for the [Role] that it has in a rule and resolves its fields
// in the request's message type, so that everything that can be wrong with the text
// is a [Fault] at the start. A [Template] then says what it reads, and appends its
// value for one [Input] to a buffer:
//
//	t, fault := template.Parse("document:{ids[]}", template.RoleObject, input)
//	…
//	for i := range t.Count(&in) {
//		buf, status, part = t.Append(buf, &in, i)
//	}
//
// A value that is appended with [StatusOK] has passed the screen of the role: of an
// object or a subject, it holds nothing that an engine reads as syntax, and nothing
// that could be taken for the literal that follows it. With any other status the
// buffer's end is not to be used. Append is part of every warm decision: for fields
// that aren't repeated and for the token's own strings it allocates nothing but a
// larger buffer.
//
// The package knows no rule, no engine and no decision: what a status means for a
// call is the caller's to say.
package template
