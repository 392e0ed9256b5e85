package holders

// model and definitions say the same in both languages: what inherits, nests, excludes
// and needs two relations, so that random tuples have cycles through all of it.
const (
	model = `model
  schema 1.1

type user

type service

type team
  relations
    define member: [user, team#member]
    define banned: [user]
    define active: member but not banned

type folder
  relations
    define parent: [folder]
    define owner: [user]
    define viewer: [user, user:*, team#active]
    define blocked: [user, team#active]
    define edit: owner or edit from parent
    define view: (viewer or edit or view from parent) but not blocked

type document
  relations
    define parent: [folder, document]
    define owner: [user]
    define viewer: [user, service, team#active]
    define approved: [user, team#member]
    define blocked: [user, team#active]
    define edit: owner or edit from parent
    define view: (viewer or edit or view from parent) but not blocked
    define strict: edit but not blocked
    define sign: view and approved
    define robots: viewer and robot
    define robot: [service]
    define peek: view or approved
`
	definitions = `
definition user {}

definition service {}

definition team {
	relation member: user | team#member
	relation banned: user
	permission active = member - banned
}

definition folder {
	relation parent: folder
	relation owner: user
	relation viewer: user | user:* | team#active
	relation blocked: user | team#active
	permission edit = owner + parent->edit
	permission view = (viewer + edit + parent->view) - blocked
}

definition document {
	relation parent: folder | document
	relation owner: user
	relation viewer: user | service | team#active
	relation approved: user | team#member
	relation blocked: user | team#active
	permission edit = owner + parent->edit
	permission view = (viewer + edit + parent->view) - blocked
	permission strict = edit - blocked
	permission sign = view & approved
	permission robots = viewer & robot
	relation robot: service
	permission peek = view + approved
}
`
)
