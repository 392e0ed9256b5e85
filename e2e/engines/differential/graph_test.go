package differential

import (
	"fmt"
	"math/rand/v2"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
)

// schema and model say the same in both languages: teams that nest and ban,
// folders that nest, inherit and block.
const (
	schema = `
definition user {}

definition team {
	relation member: user | team#active
	relation banned: user
	permission active = member - banned
}

definition folder {
	relation parent: folder
	relation viewer: user | team#active
	relation blocked: user | team#active
	permission view = (viewer + parent->view) - blocked
}

definition document {
	relation parent: folder
	relation owner: user
	relation approved: user | team#active
	relation viewer: user | team#active
	relation blocked: user | team#active
	permission view = (viewer + owner + parent->view) - blocked
	permission sign = view & approved
}
`
	model = `model
  schema 1.1

type user

type team
  relations
    define member: [user, team#active]
    define banned: [user]
    define active: member but not banned

type folder
  relations
    define parent: [folder]
    define viewer: [user, team#active]
    define blocked: [user, team#active]
    define view: (viewer or view from parent) but not blocked

type document
  relations
    define parent: [folder]
    define owner: [user]
    define approved: [user, team#active]
    define viewer: [user, team#active]
    define blocked: [user, team#active]
    define view: (viewer or owner or view from parent) but not blocked
    define sign: view and approved
`
)

// maxDepth is how deep folders and teams nest at most.
const maxDepth = 20

// graph is a random store: acyclic, since a team or folder refers to those with
// a higher number only.
type graph struct {
	random                           *rand.Rand
	users, teams, folders, documents int
	tuples                           []authztest.Tuple
	seen                             map[authztest.Tuple]bool
}

func newGraph(seed uint64) *graph {
	random := rand.New(rand.NewPCG(seed, 20))
	g := &graph{random: random, users: 12 + random.IntN(12), teams: 4 + random.IntN(maxDepth-3), folders: 6 + random.IntN(maxDepth-5), documents: 20, seen: make(map[authztest.Tuple]bool)}
	for i := range g.teams {
		object := authz.Object{Type: "team", ID: fmt.Sprint(i)}
		// A chain through every team, so that the depth is reached, and jumps.
		if i+1 < g.teams && random.IntN(4) > 0 {
			g.add(object, "member", active(i+1))
		}
		if i+2 < g.teams && random.IntN(3) == 0 {
			g.add(object, "member", active(i+2+random.IntN(g.teams-i-2)))
		}
		g.some(object, "member", 3, g.user)
		g.some(object, "banned", 2, g.user)
	}
	for i := range g.folders {
		object := authz.Object{Type: "folder", ID: fmt.Sprint(i)}
		if i+1 < g.folders {
			g.add(object, "parent", authz.Subject{Type: "folder", ID: fmt.Sprint(i + 1)})
		}
		if i+2 < g.folders && random.IntN(4) == 0 {
			g.add(object, "parent", authz.Subject{Type: "folder", ID: fmt.Sprint(i + 2 + random.IntN(g.folders-i-2))})
		}
		g.some(object, "viewer", 2, g.anyone)
		g.some(object, "blocked", 2, g.anyone)
	}
	for i := range g.documents {
		object := authz.Object{Type: "document", ID: fmt.Sprint(i)}
		g.some(object, "parent", 2, func() authz.Subject { return authz.Subject{Type: "folder", ID: fmt.Sprint(random.IntN(g.folders))} })
		g.some(object, "owner", 2, g.user)
		g.some(object, "approved", 5, g.anyone)
		g.some(object, "viewer", 2, g.anyone)
		g.some(object, "blocked", 2, g.anyone)
	}

	return g
}

func active(team int) authz.Subject {
	return authz.Subject{Type: "team", ID: fmt.Sprint(team), Relation: "active"}
}

func (g *graph) user() authz.Subject {
	return authz.Subject{Type: "user", ID: fmt.Sprint("u", g.random.IntN(g.users))}
}

func (g *graph) anyone() authz.Subject {
	if g.random.IntN(3) == 0 {
		return active(g.random.IntN(g.teams))
	}

	return g.user()
}

func (g *graph) add(object authz.Object, relation string, subject authz.Subject) {
	tuple := authztest.Tuple{Object: object, Relation: relation, Subject: subject}
	if !g.seen[tuple] {
		g.seen[tuple] = true
		g.tuples = append(g.tuples, tuple)
	}
}

func (g *graph) some(object authz.Object, relation string, limit int, subject func() authz.Subject) {
	for range g.random.IntN(limit + 1) {
		g.add(object, relation, subject())
	}
}

// queries asks about users that there are and one that there isn't.
func (g *graph) queries(n int) []authz.Query {
	out := make([]authz.Query, n)
	for i := range out {
		kind := g.random.IntN(4)
		q := authz.Query{Subject: g.user()}
		if g.random.IntN(30) == 0 {
			q.Subject.ID = "nobody"
		}
		switch kind {
		case 0:
			q.Object, q.Relation = authz.Object{Type: "team", ID: fmt.Sprint(g.random.IntN(g.teams))}, "active"
		case 1:
			q.Object, q.Relation = authz.Object{Type: "folder", ID: fmt.Sprint(g.random.IntN(g.folders))}, "view"
		case 2:
			q.Object, q.Relation = authz.Object{Type: "document", ID: fmt.Sprint(g.random.IntN(g.documents))}, "sign"
		default:
			q.Object, q.Relation = authz.Object{Type: "document", ID: fmt.Sprint(g.random.IntN(g.documents + 1))}, "view"
		}
		out[i] = q
	}

	return out
}
