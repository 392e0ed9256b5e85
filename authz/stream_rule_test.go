package authz_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A stream rule that could mean nothing is found at start.
func TestStreamRulesThatMeanNothingAreFaults(t *testing.T) {
	first := &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
	recheck := &authzv1.Stream{RecheckInterval: durationpb.New(time.Minute)}
	streamed := func(rule *authzv1.Rule, stream *authzv1.Stream) *authzv1.Rule {
		rule.Stream = stream

		return rule
	}
	revised := check("platform:main", "member")
	revised.Consistency = fromField()
	const (
		nothing = "rule.stream.message_check: the rule reads no object from the message"
		zero    = "rule.stream.message_check: the value \"value\" is of a field whose zero can't be told from unset"
		handler = "stream.recheck_interval: nothing would repeat the handler's checks"
	)
	for name, c := range map[string]struct {
		defaults *authzv1.Stream
		rule     *authzv1.Rule
		want     string
		first    bool
	}{
		"first message of a literal object":      {nil, streamed(check("platform:main", "member"), first), nothing, false},
		"first message of any caller":            {nil, streamed(authenticated(), first), nothing, false},
		"first message of a handler":             {nil, streamed(handlerRule(), first), nothing, false},
		"first message of the token alone":       {nil, streamed(match("{$claim.role}", "admin"), first), nothing, false},
		"first message of a revision alone":      {nil, streamed(revised, first), nothing, false},
		"first message of a field":               {nil, streamed(check("document:{text}", "viewer"), first), "", true},
		"first message of a matched field":       {nil, streamed(match("{text}", "{$sub}"), first), "", true},
		"first message of a flag in context":     {nil, streamed(within(check("document:{text}", "viewer"), "{flag}"), first), zero, false},
		"first message of a number in context":   {nil, streamed(within(check("document:{text}", "viewer"), "{small}"), first), zero, false},
		"first message of a fraction in context": {nil, streamed(within(check("document:{text}", "viewer"), "{ratio}"), first), zero, false},
		"first message of an enum in context":    {nil, streamed(within(check("document:{text}", "viewer"), "{color}"), first), zero, false},
		"first message of an enum in text":       {nil, streamed(within(check("document:{text}", "viewer"), "c-{color}"), first), "", true},
		"inherited with a flag in context":       {first, within(check("document:{text}", "viewer"), "{flag}"), "service_rule.default" + strings.TrimPrefix(zero, "rule"), false},
		"first message of an optional number":    {nil, streamed(within(check("document:{text}", "viewer"), "{optional_large}"), first), "", true},
		"first message of a wrapped number":      {nil, streamed(within(check("document:{text}", "viewer"), "{wrapped_large}"), first), "", true},
		"first message of a text in context":     {nil, streamed(within(check("document:{text}", "viewer"), "{optional_text}"), first), "", true},
		"first message of a number in text":      {nil, streamed(within(check("document:{text}", "viewer"), "n-{small}"), first), "", true},
		"each message of a flag in context":      {nil, within(check("document:{text}", "viewer"), "{flag}"), "", false},
		"inherited by a rule that reads none":    {first, authenticated(), "", false},
		"inherited by a rule that reads a field": {first, check("document:{text}", "viewer"), "", true},
		"recheck under handler":                  {nil, streamed(handlerRule(), recheck), "rule." + handler, false},
		"recheck inherited under handler":        {recheck, handlerRule(), "service_rule.default." + handler, false},
		"recheck of a check":                     {nil, streamed(check("document:{text}", "viewer"), recheck), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			defaults := &authzv1.ServiceRule{Default: &authzv1.Rule{Stream: c.defaults}}
			authorizer := newAuthorizer(t, authz.Config{Engine: &judge{}, Resolver: ruled(t, defaults, map[string]*authzv1.Rule{"StreamM": c.rule})})
			err := authorizer.Faults()
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), "t.S/StreamM: "+c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got := authorizer.Method("/t.S/StreamM").FirstMessageOnly(); err == nil && got != c.first {
				t.Errorf("first message only: %v", got)
			}
		})
	}
}
