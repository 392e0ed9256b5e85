package authztest

// onNetwork is the one condition of the suite's model. It has one parameter,
// trusted, a bool, and holds when that is true.
const (
	onNetwork = "on_network"
	trusted   = "trusted"
)

// SuiteModel is the model that an adapter's test writes in its engine's language,
// and the model of the tuple engine when such a test uses it as a server. Relations
// that tuples are written for ("written") and those that only follow ("computed") have
// different names, so that it fits engines that tell relations from permissions:
//
//	user, service: no relations
//	team:
//	  member (written): user | service | team#member
//	folder:
//	  parent (written): folder
//	  owner, editor, viewer (written): user | service | team#member
//	  edit (computed) = owner or editor or parent->edit
//	  view (computed) = viewer or edit or parent->view
//	document:
//	  parent (written): folder
//	  owner, editor, viewer (written): user | service | team#member
//	  banned (written): user
//	  guest (written): user with on_network(trusted bool)
//	  edit (computed) = owner or editor or parent->edit
//	  view (computed) = viewer or edit or parent->view
//	  read (computed) = view but not banned
//	  visit (computed) = guest
func SuiteModel() Model {
	return Model{
		"user":    {},
		"service": {},
		"team":    {"member": {}},
		"folder": {
			"parent": {}, "owner": {}, "editor": {}, "viewer": {},
			"edit": {Union: []string{"owner", "editor"}, Through: []string{"parent->edit"}},
			"view": {Union: []string{"viewer", "edit"}, Through: []string{"parent->view"}},
		},
		"document": {
			"parent": {}, "owner": {}, "editor": {}, "viewer": {}, "banned": {},
			"guest": {Conditions: map[string]string{onNetwork: trusted}},
			"edit":  {Union: []string{"owner", "editor"}, Through: []string{"parent->edit"}},
			"view":  {Union: []string{"viewer", "edit"}, Through: []string{"parent->view"}},
			"read":  {Union: []string{"view"}, Except: "banned"},
			"visit": {Union: []string{"guest"}},
		},
	}
}
