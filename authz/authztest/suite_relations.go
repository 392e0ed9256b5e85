package authztest

import (
	"testing"

	"github.com/usher-auth/usher/authz"
)

// relationCases test the relations that follow from tuples.
func relationCases() []suiteCase {
	return []suiteCase{
		{"direct relation", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#owner@user:alice", "document:1#viewer@service:indexer")
			f.expect(t, authz.EffectAllowed, "document:1#owner@user:alice", "document:1#view@service:indexer")
			f.expect(t, authz.EffectDenied,
				"document:1#owner@user:bob", "document:2#owner@user:alice", "document:1#owner@service:alice", "document:1#edit@service:indexer")
		}},
		{"computed relation", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#owner@user:alice", "document:1#viewer@user:bob")
			f.expect(t, authz.EffectAllowed, "document:1#edit@user:alice", "document:1#view@user:alice", "document:1#view@user:bob")
			f.expect(t, authz.EffectDenied, "document:1#edit@user:bob")
		}},
		{"inherited from parent folders", func(t *testing.T, f *fixture) {
			f.with(t, "folder:root#viewer@user:bob", "folder:root#owner@user:alice",
				"folder:sub#parent@folder:root", "document:1#parent@folder:sub")
			f.expect(t, authz.EffectAllowed, "document:1#view@user:bob", "document:1#edit@user:alice", "folder:sub#edit@user:alice")
			f.expect(t, authz.EffectDenied, "document:1#edit@user:bob", "document:2#view@user:bob")
		}},
		{"through a userset", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#editor@team:blue#member", "team:blue#member@user:alice", "team:blue#member@team:inner#member", "team:inner#member@user:carol")
			f.expect(t, authz.EffectAllowed, "document:1#view@user:alice", "document:1#edit@user:carol")
			f.expect(t, authz.EffectDenied, "document:1#view@user:bob")
		}},
		{"userset as the subject", usersetSubject},
		{"exclusion", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#viewer@user:alice", "document:1#viewer@user:bob", "document:1#banned@user:bob")
			f.expect(t, authz.EffectAllowed, "document:1#read@user:alice", "document:1#view@user:bob")
			f.expect(t, authz.EffectDenied, "document:1#read@user:bob", "document:1#read@user:carol")
		}},
		{"relation taken away", func(t *testing.T, f *fixture) {
			f.with(t, "document:1#viewer@user:alice")
			f.expect(t, authz.EffectAllowed, "document:1#view@user:alice")
			if _, err := f.writer.Delete(f.ctx, MustTuples("document:1#viewer@user:alice")...); err != nil {
				t.Fatal(err)
			}
			f.expect(t, authz.EffectDenied, "document:1#view@user:alice")
		}},
		{"condition that holds, doesn't, and is unknown", conditional},
		{"fully consistent", func(t *testing.T, f *fixture) { freshness(t, f, authz.ModeFullyConsistent) }},
		{"at least as fresh", func(t *testing.T, f *fixture) { freshness(t, f, authz.ModeAtLeastAsFresh) }},
	}
}

func usersetSubject(t *testing.T, f *fixture) {
	f.with(t, "document:1#viewer@team:blue#member", "team:blue#member@user:alice")
	if f.Lacks.Usersets {
		answer := f.one(t, query("document:1#view@team:blue#member"))
		if answer.Err == nil {
			t.Errorf("a userset that can't be expressed got %v, want an error", answer.Effect)
		}

		return
	}
	f.expect(t, authz.EffectAllowed, "document:1#view@team:blue#member")
	f.expect(t, authz.EffectDenied, "document:1#view@team:red#member", "document:2#view@team:blue#member")
}

func conditional(t *testing.T, f *fixture) {
	q := query("document:1#visit@user:bob")
	if f.Lacks.Conditions {
		f.with(t)
		q.Context = map[string]any{trusted: true}
		if answer := f.one(t, q); answer.Effect == authz.EffectAllowed {
			t.Error("a context granted what no tuple does")
		}

		return
	}
	f.with(t, "document:1#guest@user:bob["+onNetwork+"]")
	for name, tc := range map[string]struct {
		context map[string]any
		want    authz.Effect
	}{
		"holds":         {map[string]any{trusted: true}, authz.EffectAllowed},
		"doesn't hold":  {map[string]any{trusted: false}, authz.EffectDenied},
		"isn't decided": {nil, authz.EffectConditional},
	} {
		q.Context = tc.context
		answer := f.one(t, q)
		if answer.Err != nil || answer.Effect != tc.want {
			t.Errorf("%s: %v (%v), want %v", name, answer.Effect, answer.Err, tc.want)
		}
		if tc.want == authz.EffectConditional && (len(answer.Missing) != 1 || answer.Missing[0] != trusted) {
			t.Errorf("%s: missing %q, want %q", name, answer.Missing, trusted)
		}
	}
}

// freshness writes tuples, and requires that a check sees them at once.
func freshness(t *testing.T, f *fixture, mode authz.Mode) {
	f.with(t)
	supporter, _ := f.engine.(authz.ConsistencySupporter)
	supported := supporter != nil && supporter.SupportsConsistency(mode)
	if f.Lacks.Freshness {
		if supported {
			t.Errorf("the engine lacks freshness and says that it supports %v", mode)
		}

		return
	}
	if !supported {
		if mode == authz.ModeFullyConsistent {
			t.Errorf("the engine doesn't support %v and Lacks.Freshness doesn't say so", mode)
		}

		return
	}
	for i := range 10 {
		who := "user:u" + string(rune('a'+i))
		f.write(t, "document:1#viewer@"+who)
		consistency := authz.Consistency{Mode: mode}
		if mode == authz.ModeAtLeastAsFresh {
			consistency.Revision = f.last
		}
		if mode == authz.ModeAtLeastAsFresh && f.last == "" && !f.Lacks.Revisions {
			t.Fatal("the engine supports revisions and its writer returns none")
		}
		result, err := f.engine.Check(f.ctx, authz.Batch{Queries: []authz.Query{query("document:1#view@" + who)}, Consistency: consistency})
		if err != nil || len(result.Answers) != 1 || result.Answers[0].Effect != authz.EffectAllowed {
			t.Fatalf("write %d isn't seen: %v, %v", i, result, err)
		}
	}
	if mode != authz.ModeAtLeastAsFresh || f.Lacks.Revisions {
		return
	}
	_, err := f.engine.Check(f.ctx, authz.Batch{
		Queries:     []authz.Query{query("document:1#view@user:ua")},
		Consistency: authz.Consistency{Mode: mode, Revision: "not-a-revision"},
	})
	if err == nil {
		t.Fatal("a revision that isn't one was accepted")
	}
	if got := kind(t, err); got != authz.EngineBadRevision {
		t.Errorf("a revision that isn't one is %v, want %v", got, authz.EngineBadRevision)
	}
}
