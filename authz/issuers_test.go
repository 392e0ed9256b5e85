package authz_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// of is a user of an issuer.
func of(issuer, subject string) *caller {
	c := user(subject)
	c.issuer = issuer

	return c
}

func match(left, right string) *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Match{Match: &authzv1.Match{Left: left, Right: right}}}
}

func admitting(rule *authzv1.Rule, issuers ...string) *authzv1.Rule {
	rule.AccessToken = &authzv1.AccessToken{Issuers: issuers}

	return rule
}

func about(rule *authzv1.Rule, subject string) *authzv1.Rule {
	rule.GetCheck().Subject = subject

	return rule
}

func within(rule *authzv1.Rule, value string) *authzv1.Rule {
	rule.GetCheck().Context = []*authzv1.ContextValue{{Name: "value", Value: value}}

	return rule
}

// Row 21a: with several issuers, or with issuers that aren't known, no rule gives
// two issuers' callers one identity.
func TestRulesTellIssuersApart(t *testing.T) {
	for name, c := range map[string]struct {
		rule *authzv1.Rule
		// fault is what the operator is told, "path: column"; empty: the rule is good.
		fault string
	}{
		"a match with sub":                          {match("{text}", "{$sub}"), "rule.match.right: column 0"},
		"a match with sub on the left":              {match("{$sub}", "{text}"), "rule.match.left: column 0"},
		"a match with a claim":                      {match("{text}", "{$claim.organization}"), "rule.match.right: column 0"},
		"a match with the client id":                {match("{text}", "c-{$client_id}"), "rule.match.right: column 2"},
		"a match of a literal with a claim":         {match("admin", "{$claim.role}"), "rule.match.right: column 0"},
		"a match whose issuer cancels out":          {match("{$issuer}/{text}", "{$issuer}/{$sub}"), "rule.match.left: column 0"},
		"a match whose issuer is the caller's word": {match("{text}/{$issuer}", "{$sub}/{$claim.x}"), "rule.match.right: column 0"},
		"a match of the token with itself":          {match("{$issuer}/{$sub}", "{$claim.owner}"), "rule.match.right: column 0"},
		"a match in a group":                        {&authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{{Condition: &authzv1.Condition_Match{Match: match("{text}", "{$sub}").GetMatch()}}}}}}, "rule.any_of.conditions[0].match.right: column 0"},
		"a match with the issuer in a field":        {match("{text}", "{$issuer}/{$sub}"), ""},
		"a match with issuer and caller in fields":  {match("{text}/{optional_text}", "{$issuer}/{$sub}"), ""},
		"a match with the issuer as a literal":      {match("main/{text}", "{$issuer}/{$sub}"), ""},
		"a match of the issuer alone":               {match("{text}", "{$issuer}"), ""},
		"a match of fields":                         {match("{text}", "{optional_text}"), ""},
		"an object":                                 {check("profile:{$sub}", "owner"), "rule.check.object: column 8"},
		"an object with a field":                    {check("profile:{text}/{$sub}", "owner"), "rule.check.object: column 15"},
		"an object with the issuer":                 {check("profile:{$issuer}/{$sub}", "owner"), ""},
		"an object of the issuer alone":             {check("tenant:{$issuer}", "member"), ""},
		"a subject":                                 {about(check("d:{text}", "viewer"), "user:{$sub}"), "rule.check.subject: column 5"},
		"a subject from a claim":                    {about(check("d:{text}", "viewer"), "team:{$claim.team}#member"), "rule.check.subject: column 5"},
		"a subject with the issuer":                 {about(check("d:{text}", "viewer"), "user:{$issuer}/{$sub}"), ""},
		"a subject from the request":                {about(check("d:{text}", "viewer"), "user:{optional_text}"), ""},
		"a context value":                           {within(check("d:{text}", "viewer"), "{$claim.level}"), "rule.check.context[0].value: column 0"},
		"a context value with the issuer":           {within(check("d:{text}", "viewer"), "{$issuer}/{$claim.level}"), ""},
		"a context value of the request":            {within(check("d:{text}", "viewer"), "{optional_text}"), ""},
		"one issuer admitted":                       {admitting(match("{text}", "{$sub}"), "main"), ""},
		"two issuers admitted":                      {admitting(match("{text}", "{$sub}"), "main", "partner"), "rule.match.right: column 0"},
	} {
		for issuers, config := range map[string]authz.Config{
			"several": {Issuers: authz.Issuers{"main", "partner"}}, "unknown": {},
		} {
			t.Run("row 21a: "+issuers+": "+name, func(t *testing.T) {
				config.Engine, config.Subjects = newTuples(), authz.Subjects{User: "user:{$issuer}/{$sub}", Service: "service:{$issuer}/{$client_id}"}
				config.Resolver = ruled(t, nil, map[string]*authzv1.Rule{"M": c.rule})
				authorizer, err := authz.New(config)
				if err != nil {
					t.Fatal(err)
				}
				err = authorizer.ValidateMethods("/t.S/M")
				if c.fault == "" {
					if err != nil {
						t.Error(err)
					}

					return
				}
				if err == nil {
					t.Fatal("no fault: a partner's alice is ours")
				}
				var fault *authz.RuleError
				if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), "authz: t.proto: t.S/M: "+c.fault+": ") || strings.Count(err.Error(), "\n") > 0 {
					t.Errorf("got  %v\nwant %s", err, c.fault)
				}
				if fix := "access_token.issuers"; !strings.Contains(fault.Fix, fix) {
					t.Errorf("the fix doesn't name %s: %s", fix, fault.Fix)
				}
				if unknown := issuers == "unknown" && len(c.rule.GetAccessToken().GetIssuers()) == 0; unknown != strings.Contains(fault.Fix, "set authz.Config.Issuers") {
					t.Errorf("the fix with issuers %s: %s", issuers, fault.Fix)
				}
				if _, err := authorizer.Authorize(t.Context(), "/t.S/M", of("partner", "alice"), &docsv1.Kinds{Text: "alice"}); reasonOf(err) != authz.ReasonMisconfigured {
					t.Errorf("in a call: %v", err)
				}
			})
		}
	}
	t.Run("row 21a: one issuer needs no issuer", func(t *testing.T) {
		method := one(t, newTuples(), "M", match("{text}", "{$sub}"))
		if _, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{Text: "alice"}}); err != nil {
			t.Error(err)
		}
	})
}

// Row 21a: a rule's own subject isn't that of another issuer's caller elsewhere,
// whichever issuer the rule names or inherits.
func TestARulesSubjectIsNobodyElses(t *testing.T) {
	users := func(template string) authz.Subjects { return authz.Subjects{User: template} }
	viewer := func(subject string) *authzv1.Rule { return about(check("d:{text}", "viewer"), subject) }
	two := authz.Issuers{"main", "partner"}
	own := map[string]authz.Subjects{"main": users("user:{$sub}"), "partner": users("guest:{$sub}")}
	whole := users("user:{$issuer}/{$sub}")
	for name, c := range map[string]struct {
		config   authz.Config
		defaults *authzv1.Rule
		rule     *authzv1.Rule
		fault    bool
	}{
		"the other's template":                         {authz.Config{Issuers: two, IssuerSubjects: own}, nil, admitting(viewer("user:{$sub}"), "partner"), true},
		"the other's template, of unknown issuers":     {authz.Config{IssuerSubjects: own}, nil, admitting(viewer("user:{$sub}"), "partner"), true},
		"the default's, under an issuer of one's own":  {authz.Config{Issuers: two, IssuerSubjects: own}, admitting(viewer("user:{$sub}"), "main"), admitting(&authzv1.Rule{}, "partner"), true},
		"one's own, under the default's issuer":        {authz.Config{Issuers: two, IssuerSubjects: own}, admitting(authenticated(), "partner"), viewer("user:{$sub}"), true},
		"what the other's sub may be":                  {authz.Config{Issuers: two, IssuerSubjects: own}, nil, viewer("user:{$issuer}/{$sub}"), true},
		"a sub with the other's name":                  {authz.Config{Issuers: two, Subjects: whole}, nil, admitting(viewer("user:{$sub}"), "partner"), true},
		"a sub with the other's name, unknown issuers": {authz.Config{Subjects: whole}, nil, admitting(viewer("user:{$sub}"), "partner"), true},
		"the issuer in another place, unknown issuers": {authz.Config{Subjects: whole}, nil, viewer("user:{$sub}/{$issuer}"), true},
		"a claim in the other's place":                 {authz.Config{Issuers: two, IssuerSubjects: own}, nil, admitting(viewer("user:{$claim.mail}"), "partner"), true},
		"the issuer's own template":                    {authz.Config{Issuers: two, IssuerSubjects: own}, nil, admitting(viewer("user:{$sub}"), "main"), false},
		"the configured template":                      {authz.Config{Issuers: two, Subjects: whole}, nil, viewer("user:{$issuer}/{$sub}"), false},
		"the configured template, of unknown issuers":  {authz.Config{Subjects: whole}, nil, viewer("user:{$issuer}/{$sub}"), false},
		"the issuer first, unknown issuers":            {authz.Config{Subjects: whole}, nil, viewer("user:{$issuer}/{$claim.mail}"), false},
		"the issuer first, unlike what follows":        {authz.Config{Subjects: whole}, nil, viewer("user:{$issuer}/m/{$claim.mail}"), true},
		"the issuer first, other start":                {authz.Config{Subjects: authz.Subjects{User: "user:x{$issuer}/{$sub}"}}, nil, viewer("user:{$issuer}/{$claim.mail}"), true},
		"the issuer's own prefix":                      {authz.Config{Issuers: two, Subjects: whole}, nil, admitting(viewer("user:partner/{$sub}"), "partner"), false},
		"a type of its own":                            {authz.Config{Issuers: two, IssuerSubjects: own}, nil, admitting(viewer("partner:{$sub}"), "partner"), false},
		"a userset":                                    {authz.Config{Issuers: two, IssuerSubjects: own}, nil, admitting(viewer("user:{$claim.team}#member"), "partner"), false},
		"a subject of the request":                     {authz.Config{Issuers: two, IssuerSubjects: own}, nil, viewer("user:{optional_text}"), false},
		"the only issuer":                              {authz.Config{Issuers: two[:1], Subjects: users("user:{$sub}")}, nil, viewer("user:{$claim.mail}"), false},
	} {
		t.Run("row 21a: "+name, func(t *testing.T) {
			c.config.Engine = newTuples("d:alice#viewer@user:alice", "d:alice#viewer@user:main/alice")
			c.config.Resolver = ruled(t, &authzv1.ServiceRule{Default: c.defaults}, map[string]*authzv1.Rule{"M": c.rule})
			authorizer, err := authz.New(c.config)
			if err != nil {
				t.Fatal(err)
			}
			err = authorizer.ValidateMethods("/t.S/M")
			if !c.fault {
				if err != nil {
					t.Error(err)
				}

				return
			}
			if err == nil || !strings.Contains(err.Error(), "check.subject: a token that the rule admits can name the subject of another issuer's, by ") || strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("got %v", err)
			}
			for _, sub := range []string{"alice", "main/alice"} {
				mallory := of("partner", sub)
				mallory.claims = map[string]any{"mail": "alice"}
				if _, err := authorizer.Authorize(t.Context(), "/t.S/M", mallory, &docsv1.Kinds{Text: "alice"}); reasonOf(err) != authz.ReasonMisconfigured {
					t.Errorf("a partner's %s: %v", sub, err)
				}
			}
		})
	}
}

// Row 21a: two methods of a service don't make one subject of two issuers' callers,
// as by a default's check under issuers that a method has of its own.
func TestRulesOfAServiceTellIssuersApart(t *testing.T) {
	viewer := func(subject string) *authzv1.Rule { return about(check("d:{text}", "viewer"), subject) }
	group := &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{
		{Condition: &authzv1.Condition_Check{Check: viewer("user:{$issuer}/{$sub}").GetCheck()}},
		{Condition: &authzv1.Condition_Check{Check: viewer("user:{$sub}/{$issuer}").GetCheck()}},
	}}}}
	two := authz.Issuers{"main", "partner"}
	for name, c := range map[string]struct {
		issuers  authz.Issuers
		defaults *authzv1.Rule
		rules    map[string]*authzv1.Rule
		faults   []string
	}{
		"a default's check under another issuer": {two, admitting(viewer("user:{$sub}"), "main"), map[string]*authzv1.Rule{"A": {}, "B": admitting(&authzv1.Rule{}, "partner"), "C": authenticated()}, []string{"A: service_rule.default.check.subject", "B: service_rule.default.check.subject"}},
		"one's own checks":                       {two, nil, map[string]*authzv1.Rule{"A": admitting(viewer("user:{$sub}"), "main"), "B": admitting(viewer("user:{$claim.mail}"), "partner")}, []string{"A: rule.check.subject", "B: rule.check.subject"}},
		"of unknown issuers":                     {nil, nil, map[string]*authzv1.Rule{"A": admitting(viewer("user:{$sub}"), "main"), "B": viewer("user:{$issuer}/{$sub}")}, []string{"A: rule.check.subject", "B: rule.check.subject"}},
		"one rule's conditions":                  {two, nil, map[string]*authzv1.Rule{"A": group}, []string{"A: rule.any_of.conditions[0].check.subject", "A: rule.any_of.conditions[1].check.subject"}},
		"the issuer first, of unknown issuers":   {nil, nil, map[string]*authzv1.Rule{"A": viewer("user:{$issuer}/{$sub}"), "B": viewer("user:{$issuer}/{$claim.mail}")}, nil},
		"the same issuer":                        {two, admitting(viewer("user:{$sub}"), "main"), map[string]*authzv1.Rule{"A": {}, "B": viewer("user:{$claim.mail}")}, nil},
		"the only issuer":                        {two[:1], nil, map[string]*authzv1.Rule{"A": viewer("user:{$sub}"), "B": viewer("user:{$claim.mail}")}, nil},
		"two types":                              {two, nil, map[string]*authzv1.Rule{"A": admitting(viewer("user:{$sub}"), "main"), "B": admitting(viewer("guest:{$sub}"), "partner")}, nil},
		"the issuer in both":                     {two, viewer("user:{$issuer}/{$sub}"), map[string]*authzv1.Rule{"A": {}, "B": admitting(&authzv1.Rule{}, "partner")}, nil},
		"a subject of the request":               {two, viewer("user:{optional_text}"), map[string]*authzv1.Rule{"A": {}, "B": admitting(&authzv1.Rule{}, "partner")}, nil},
	} {
		t.Run("row 21a: "+name, func(t *testing.T) {
			account := authz.Subjects{User: "account:{$issuer}/{$sub}"}
			authorizer, err := authz.New(authz.Config{
				Engine: newTuples("d:alice#viewer@user:alice"), Subjects: account, Issuers: c.issuers,
				Resolver: ruled(t, &authzv1.ServiceRule{Default: c.defaults}, c.rules),
			})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			if err := authorizer.ValidateMethods("/t.S/A", "/t.S/B"); err != nil {
				for line := range strings.Lines(err.Error()) {
					if at, _, found := strings.Cut(line, ": a token of one issuer can name the subject of another's, by "); found {
						got = append(got, strings.TrimPrefix(at, "authz: t.proto: t.S/"))
					}
				}
			}
			if !slices.Equal(got, c.faults) {
				t.Errorf("got %q, want %q: %v", got, c.faults, authorizer.Faults())
			}
			if _, err := authorizer.Authorize(t.Context(), "/t.S/A", of("main", "alice"), &docsv1.Kinds{Text: "alice"}); (reasonOf(err) == authz.ReasonMisconfigured) != (len(c.faults) > 0) {
				t.Errorf("in a call: %v", err)
			}
		})
	}
}

func TestUnknownIssuersNeedTheIssuerInSubjects(t *testing.T) {
	for name, c := range map[string]struct {
		config authz.Config
		want   string
	}{
		"a template without the issuer": {authz.Config{Subjects: authz.Subjects{User: "user:{$sub}"}}, "set authz.Config.Issuers to the verifier"},
		"a template with it":            {authz.Config{Subjects: authz.Subjects{User: "user:{$issuer}/{$sub}"}}, ""},
		"an issuer's own":               {authz.Config{IssuerSubjects: map[string]authz.Subjects{"a": {User: "user:{$sub}"}}}, ""},
	} {
		t.Run("row 21a: "+name, func(t *testing.T) {
			c.config.Engine = newTuples()
			if _, err := authz.New(c.config); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestIssuerNamesThatCantBe(t *testing.T) {
	sub := authz.Subjects{User: "user:{$sub}"}
	both := authz.Subjects{User: "user:{$issuer}/{$sub}"}
	for name, c := range map[string]struct {
		config authz.Config
		rule   *authzv1.Rule
		want   string
	}{
		"an address in a subject":         {authz.Config{Subjects: both, Issuers: authz.Issuers{"https://issuer.example"}}, nil, `the issuer's name "https://issuer.example" can't stand here; give the issuer a short name (verify.JWTConfig.IssuerName)`},
		"what follows in a subject":       {authz.Config{Subjects: both, Issuers: authz.Issuers{"a/b"}}, nil, `"a/b" can't stand here`},
		"an address in a rule's object":   {authz.Config{Subjects: sub, Issuers: authz.Issuers{"https://issuer.example"}}, check("d:{$issuer}", "viewer"), `rule.check.object: column 2: the issuer's name "https://issuer.example" can't stand here`},
		"what follows, in a rule's match": {authz.Config{Subjects: sub, Issuers: authz.Issuers{"a/b"}}, match("{text}", "{$issuer}/{$sub}"), `rule.match.right: column 0: the issuer's name "a/b" can't stand here`},
		"an address that no template has": {authz.Config{Subjects: sub, Issuers: authz.Issuers{"https://issuer.example"}}, match("{text}", "{$sub}"), ""},
		"a doubled name":                  {authz.Config{Subjects: both, Issuers: authz.Issuers{"a", "b", "a"}}, nil, `Issuers: "a" is given twice`},
		"an empty name":                   {authz.Config{Subjects: sub, Issuers: authz.Issuers{""}}, nil, "Issuers: a name is empty"},
		"subjects of no issuer":           {authz.Config{Subjects: both, IssuerSubjects: map[string]authz.Subjects{"": {User: "guest:{$sub}"}}}, nil, `IssuerSubjects[""]: the name is empty`},
		"subjects of an unknown issuer":   {authz.Config{Subjects: sub, Issuers: authz.Issuers{"a"}, IssuerSubjects: map[string]authz.Subjects{"b": {User: "guest:{$sub}"}}}, nil, `IssuerSubjects["b"]: no such issuer is in Issuers, which has "a"`},
		"a rule for an unknown issuer":    {authz.Config{Subjects: sub, Issuers: authz.Issuers{"a"}}, admitting(check("d:{text}", "viewer"), "b"), `rule.access_token.issuers[0]: there is no issuer "b"; write the short name of one that is configured: "a"`},
		"a rule for an issuer twice":      {authz.Config{Subjects: sub, Issuers: authz.Issuers{"a"}}, admitting(check("d:{text}", "viewer"), "a", "a"), `rule.access_token.issuers[1]: the name "a" is given twice`},
		"a rule for a nameless issuer":    {authz.Config{Subjects: sub, Issuers: authz.Issuers{"a"}}, admitting(check("d:{text}", "viewer"), ""), `rule.access_token.issuers[0]: the name is empty`},
		"a client of a user, by claim":    {authz.Config{Subjects: authz.Subjects{User: "user:{$claim.client_id}"}, Issuers: authz.Issuers{"a"}}, nil, "{$claim.client_id} would give a user's token the rights of the client"},
		"by azp":                          {authz.Config{Subjects: authz.Subjects{User: "user:{$sub}-{$claim.azp}"}, Issuers: authz.Issuers{"a"}}, nil, "{$claim.azp} would give"},
		"by cid":                          {authz.Config{IssuerSubjects: map[string]authz.Subjects{"a": {User: "user:{$claim.cid}"}}, Issuers: authz.Issuers{"a"}}, nil, "{$claim.cid} would give"},
		"by appid":                        {authz.Config{Subjects: authz.Subjects{User: "user:{$claim.appid}"}, Issuers: authz.Issuers{"a"}}, nil, "{$claim.appid} would give"},
		"by a nested claim":               {authz.Config{Subjects: authz.Subjects{User: "user:{$claim.ext.client_id}"}, Issuers: authz.Issuers{"a"}}, nil, "{$claim.ext.client_id} would give"},
		"by the actor":                    {authz.Config{Subjects: authz.Subjects{User: "user:{$claim.act.sub}"}, Issuers: authz.Issuers{"a"}}, nil, "{$claim.act.sub} would give"},
		"a service's client by claim":     {authz.Config{Subjects: authz.Subjects{Service: "service:{$claim.azp}"}, Issuers: authz.Issuers{"a"}}, nil, ""},
		"a client of a user, in a rule":   {authz.Config{Subjects: sub, Issuers: authz.Issuers{"a"}}, about(check("d:{text}", "viewer"), "service:{$claim.azp}"), "rule.check.subject: column 8: {$claim.azp} would give a user's token the rights of the client"},
	} {
		t.Run("row 21a: "+name, func(t *testing.T) {
			c.config.Engine = newTuples()
			c.config.Resolver = ruled(t, nil, map[string]*authzv1.Rule{"M": c.rule})
			authorizer, err := authz.New(c.config)
			if err == nil && c.rule != nil {
				err = authorizer.ValidateMethods("/t.S/M")
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestIssuersOfARule(t *testing.T) {
	defaults := &authzv1.ServiceRule{Default: admitting(authenticated(), "main")}
	authorizer := newAuthorizer(t, authz.Config{
		Engine: newTuples(), Subjects: authz.Subjects{User: "user:{$issuer}/{$sub}"}, Issuers: authz.Issuers{"main", "partner", "third"},
		Resolver: ruled(t, defaults, map[string]*authzv1.Rule{
			"Inherits": {}, "Own": admitting(&authzv1.Rule{}, "partner", "third"), "Match": match("{text}", "{$sub}"),
			"Public": {Policy: &authzv1.Rule_Public{Public: &authzv1.Public{}}},
		}),
	})
	if err := authorizer.Faults(); err != nil {
		t.Fatal(err)
	}
	unclear := of("partner", "alice")
	unclear.unclear = true
	for name, c := range map[string]struct {
		method string
		caller *caller
		want   authz.Reason
	}{
		"inherited, admitted":           {"Inherits", of("main", "alice"), ""},
		"inherited, not admitted":       {"Inherits", of("partner", "alice"), authz.ReasonIssuerDenied},
		"own, admitted":                 {"Own", of("third", "alice"), ""},
		"own, not admitted":             {"Own", of("main", "alice"), authz.ReasonIssuerDenied},
		"a match of the one admitted":   {"Match", of("main", "alice"), ""},
		"a match of another":            {"Match", of("partner", "alice"), authz.ReasonIssuerDenied},
		"before the kind":               {"Inherits", unclear, authz.ReasonSubjectUnmapped},
		"an issuer that isn't known":    {"Inherits", of("stranger", "alice"), authz.ReasonSubjectUnmapped},
		"no name":                       {"Inherits", of("", "alice"), authz.ReasonSubjectUnmapped},
		"a name in another case":        {"Inherits", of("MAIN", "alice"), authz.ReasonSubjectUnmapped},
		"a stranger to a public method": {"Public", of("stranger", "alice"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := authorizer.Authorize(t.Context(), "/t.S/"+c.method, c.caller, &docsv1.Kinds{Text: "alice"})
			if reasonOf(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	_, err := authorizer.Authorize(t.Context(), "/t.S/Own", of("stran\nger", "alice"), nil)
	if err == nil || !strings.Contains(err.Error(), `"stran\nger"`) || !strings.Contains(err.Error(), `Issuers has "main", "partner", "third"`) {
		t.Errorf("the cause doesn't say what to set: %v", err)
	}
}

// Row 21a: a token whose kind isn't proved has no subject, whatever the rule admits.
func TestUnclearKindsAreRefused(t *testing.T) {
	scoped := check("document:{text}", "viewer")
	scoped.AccessToken = &authzv1.AccessToken{Kinds: []authzv1.Kind{authzv1.Kind_KIND_SERVICE, authzv1.Kind_KIND_USER}}
	rules := map[string]*authzv1.Rule{
		"Check": check("document:{text}", "viewer"), "Kinds": scoped, "Authenticated": authenticated(), "Handler": handlerRule(),
		"Match": match("{text}", "{$sub}"), "Scope": {Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{
			{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: "documents"}}},
		}}}},
	}
	engine := newTuples("document:alice#viewer@user:alice", "document:alice#viewer@service:web")
	unclear := &caller{issuer: "main", subject: "alice", client: "web\n" + strings.Repeat("x", 1000), scopes: []string{"documents"}, unclear: true}
	for config, authorizer := range map[string]*authz.Authorizer{
		"subjects": newAuthorizer(t, authz.Config{Engine: engine, Resolver: ruled(t, nil, rules), Cache: authz.CacheConfig{Size: 10, TTL: time.Minute}}),
		"no subjects": func() *authz.Authorizer {
			// Rules that need none.
			a, err := authz.New(authz.Config{Issuers: authz.Issuers{"main"}, Resolver: ruled(t, nil, map[string]*authzv1.Rule{
				"Authenticated": rules["Authenticated"], "Match": rules["Match"], "Scope": rules["Scope"],
			})})
			if err != nil {
				t.Fatal(err)
			}

			return a
		}(),
	} {
		for name := range rules {
			if config == "no subjects" && !slices.Contains([]string{"Authenticated", "Match", "Scope"}, name) {
				continue
			}
			for kind, principal := range map[string]authz.Principal{"neither": unclear, "both": bothKinds{user("alice")}} {
				t.Run("row 21a: "+config+": "+name+": "+kind, func(t *testing.T) {
					_, err := authorizer.Authorize(t.Context(), "/t.S/"+name, principal, &docsv1.Kinds{Text: "alice"})
					if reasonOf(err) != authz.ReasonSubjectUnmapped {
						t.Fatalf("got %v", err)
					}
					for _, part := range []string{`issuer "main"`, `sub "alice"`, "client id ", "verify.Profile"} {
						if !strings.Contains(err.Error(), part) {
							t.Errorf("the cause lacks %s: %v", part, err)
						}
					}
					if len(err.Error()) > 500 || strings.Contains(err.Error(), "\n") {
						t.Errorf("the cause isn't bounded and quoted: %q", err)
					}
				})
			}
		}
	}
	t.Run("row 21a: a handler's check", func(t *testing.T) {
		session := one(t, engine, "M", handlerRule()).NewSession(authz.Call{Principal: unclear}, nil)
		if err := authz.CheckFromContext(authz.NewContext(t.Context(), session), "document:alice", "viewer"); reasonOf(err) != authz.ReasonSubjectUnmapped {
			t.Error(err)
		}
	})
	if engine.requests() > 0 {
		t.Error("the engine was asked")
	}
}

// explained is a principal of no clear kind that knows why.
type explained struct {
	*caller

	cause string
}

func (e explained) KindCause() string { return e.cause }

func TestUnclearKindSaysItsCause(t *testing.T) {
	authorizer := newAuthorizer(t, authz.Config{Engine: newTuples(), Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": authenticated()})})
	unclear := &caller{issuer: "main", subject: "alice", client: "web", unclear: true}
	for name, c := range map[string]struct {
		cause, want, not string
	}{
		"known":    {`profile x found neither: User wants scp (absent)`, `client id "web"; profile x found neither: User wants scp (absent)`, "set the issuer's"},
		"unknown":  {"", "set the issuer's verify.Profile", "; ;"},
		"lines":    {"scp \"a\nlevel=INFO\xff\"", "scp \"a?level=INFO\ufffd\"", "\n"},
		"too long": {strings.Repeat("x", 5000), strings.Repeat("x", 1024) + "...", strings.Repeat("x", 1025)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := authorizer.Authorize(t.Context(), "/t.S/M", explained{unclear, c.cause}, &docsv1.Kinds{})
			if reasonOf(err) != authz.ReasonSubjectUnmapped || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), c.not) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// bothKinds is a principal that contradicts itself.
type bothKinds struct{ *caller }

func (bothKinds) IsService() bool { return true }
func (bothKinds) IsUser() bool    { return true }

func TestMaxAgeForServicesAloneIsAFault(t *testing.T) {
	service, both := authzv1.Kind_KIND_SERVICE, []authzv1.Kind{authzv1.Kind_KIND_SERVICE, authzv1.Kind_KIND_USER}
	for name, c := range map[string]struct {
		token *authzv1.AccessToken
		fault bool
	}{
		"max_age for services":           {&authzv1.AccessToken{MaxAge: durationpb.New(time.Minute), Kinds: []authzv1.Kind{service}}, true},
		"max_age for services and users": {&authzv1.AccessToken{MaxAge: durationpb.New(time.Minute), Kinds: both}, false},
		"max_age for all":                {&authzv1.AccessToken{MaxAge: durationpb.New(time.Minute)}, false},
		"acr_values for services":        {&authzv1.AccessToken{AcrValues: []string{"1"}, Kinds: []authzv1.Kind{service}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			rule := authenticated()
			rule.AccessToken = c.token
			err := newAuthorizer(t, authz.Config{Engine: newTuples(), Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": rule})}).Faults()
			if (err != nil) != c.fault || err != nil && !strings.Contains(err.Error(), "t.S/M: rule.access_token.max_age: a service has no auth_time") {
				t.Error(err)
			}
		})
	}
}

// A fault in access_token.issuers is one fault: what the rule reads of the token is
// judged by the list as it was meant, once that is right.
func TestFaultyIssuersOfARuleAreOneFault(t *testing.T) {
	two := authz.Issuers{"main", "partner"}
	both := authz.Subjects{User: "user:{$issuer}/{$sub}"}
	for name, c := range map[string]struct {
		issuers authz.Issuers
		rule    *authzv1.Rule
		want    string
	}{
		"a typo beside a match": {two, admitting(match("{text}", "{$sub}"), "mian"), `rule.access_token.issuers[0]: there is no issuer "mian"`},
		"an address":            {two, admitting(match("{text}", "{$issuer}/{$sub}"), "https://issuer.example"), `there is no issuer "https://issuer.example"`},
		"beside an object":      {two, admitting(check("d:{$sub}", "viewer"), "mian"), `there is no issuer "mian"`},
		"beside a subject":      {two, admitting(about(check("d:{text}", "viewer"), "user:{$sub}"), "mian"), `there is no issuer "mian"`},
		"twice":                 {two, admitting(match("{text}", "{$sub}"), "main", "main"), `issuers[1]: the name "main" is given twice`},
		"none is known":         {nil, admitting(match("{text}", "{$sub}"), ""), `issuers[0]: the name is empty`},
	} {
		t.Run(name, func(t *testing.T) {
			authorizer, err := authz.New(authz.Config{Engine: newTuples(), Subjects: both, Issuers: c.issuers, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": c.rule})})
			if err != nil {
				t.Fatal(err)
			}
			err = authorizer.Faults()
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q alone", err, c.want)
			}
			if c.issuers != nil && strings.Contains(c.want, "there is no") &&
				!strings.Contains(err.Error(), `"main", "partner"; or add it to the verifier, or to authz.Config.Issuers`) {
				t.Errorf("the fix isn't named: %v", err)
			}
		})
	}
}
