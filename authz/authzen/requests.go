package authzen

import (
	"encoding/json"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/usher-auth/usher/authz"
)

// request is the evaluations of one request. It tells its server nothing different
// about one subject id or one resource: Cerbos 0.50 evaluates all evaluations of a
// subject id with the type and the properties of the first one, and all of a resource
// with the properties of the first one, so that one caller's query would get the answer
// to another's.
type request struct {
	items   []evaluation
	queries []authz.Query
	answers []*authz.Answer

	subjects  map[string]string       // by id
	resources map[authz.Object]string // by type and id
}

// requests puts queries into requests of at most size. A query that is refused gets its
// error.
func (e *Engine) requests(queries []authz.Query, answers []authz.Answer, kind authz.QueryKind, size int) []*request {
	var out []*request
	full := 0 // requests that have no place left, all at the front
	for i, q := range queries {
		item, err := e.evaluation(q, kind)
		if err != nil {
			answers[i].Err = err

			continue
		}
		subject := item.Subject.Type + "\x00" + fingerprint(item.Subject.Properties)
		resource := fingerprint(item.Resource.Properties)
		object := authz.Object{Type: item.Resource.Type, ID: item.Resource.ID}
		var to *request
		for _, r := range out[full:] {
			if len(r.items) < size && r.takes(item.Subject.ID, subject, object, resource) {
				to = r

				break
			}
		}
		if to == nil {
			to = &request{subjects: map[string]string{}, resources: map[authz.Object]string{}}
			out = append(out, to)
		}
		to.subjects[item.Subject.ID], to.resources[object] = subject, resource
		to.items = append(to.items, item)
		to.queries = append(to.queries, q)
		to.answers = append(to.answers, &answers[i])
		for full < len(out) && len(out[full].items) >= size {
			full++
		}
	}

	return out
}

// takes reports whether the request says nothing different about the subject's id and
// the resource.
func (r *request) takes(id, subject string, object authz.Object, resource string) bool {
	s, hasSubject := r.subjects[id]
	o, hasObject := r.resources[object]

	return (!hasSubject || s == subject) && (!hasObject || o == resource)
}

// fingerprint returns a text that is equal for equal properties only.
func fingerprint(properties *structpb.Struct) string {
	if len(properties.GetFields()) == 0 {
		return ""
	}
	// The members are sorted, and their values have a JSON form.
	text, _ := json.Marshal(properties.AsMap()) //nolint:errchkjson // see above

	return string(text)
}
