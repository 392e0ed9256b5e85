package template

import (
	"testing"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

func TestForm(t *testing.T) {
	for text, want := range map[string]struct {
		form Form
		list bool
	}{
		"{text}": {FormText, false}, "a{text}": {FormText, false}, "literal": {FormText, false}, "{$sub}": {FormText, false}, "{$issuer}": {FormText, false},
		"{single}": {FormNumber, false}, "{wrapped_ratio}": {FormNumber, false}, "{wrapped_flag}": {FormFlag, false},
		"{at}": {FormTimestamp, false}, "{lasts}": {FormDuration, false}, "{$now|minute}": {FormTimestamp, false}, "{$peer.ip}": {FormAddress, false},
		"{wrapped_raw|uuid}": {FormText, false}, "{$claim.tier}": {FormAny, false}, "{$claim.tier|uuid}": {FormText, false}, "at {$now|minute}": {FormText, false},
		"{texts[]}": {FormText, true}, "{numbers[]}": {FormInteger, true}, "{unsigned[]}": {FormUnsigned, true}, "{singles[]}": {FormNumber, true},
		"{flags[]}": {FormFlag, true}, "{colors[]}": {FormText, true}, "{times[]}": {FormTimestamp, true}, "{durations[]}": {FormDuration, true},
		"{wrapped_numbers[]}": {FormInteger, true}, "{parts[].rank}": {FormInteger, true}, "{texts[]|uuid}": {FormText, true},
	} {
		parsed, bad := Parse(text, RoleContext, (&docsv1.Values{}).ProtoReflect().Descriptor())
		if bad != nil {
			t.Errorf("%s: %+v", text, bad)

			continue
		}
		if form, list := parsed.Form(); form != want.form || list != want.list {
			t.Errorf("%s: %v %v, want %v %v", text, form, list, want.form, want.list)
		}
	}
}
