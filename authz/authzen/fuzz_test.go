package authzen_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
)

// fixed answers every request with one body, without a network.
type fixed []byte

func (f fixed) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(f)), Request: r, ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// FuzzAnswers requires that an answer grants only if another reader of JSON finds the
// grant in it, too, and that its context is bounded.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"decision": true}`, `{"decision": false, "context": {"reason_admin": {"en": "no"}}}`,
		`{"decision": true, "subject": {"type": "user", "id": "ann"}, "context": {}}`,
		`{"decision": true, "context": {"error": {"status": 403}}}`, `{"decision": true, "decision": false}`,
		`{"decision": true, "context": {"a": [[[[[[[[[1]]]]]]]]]}}`, `{"evaluations": [{"decision": true}]}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := authzen.New(authzen.Config{BaseURL: "https://pdp.example.com", HTTPClient: &http.Client{Transport: fixed(body)}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = e.Close() }()
		var read map[string]any
		_ = json.Unmarshal(body, &read)
		for kind, ask := range methods(e) {
			result, err := ask(t.Context(), of(kind, 1))
			if err != nil {
				continue
			}
			answer := result.Answers[0]
			if answer.Err == nil && answer.Effect == authz.EffectAllowed && read["decision"] != true {
				t.Errorf("a grant by %q", body)
			}
			if text, err := json.Marshal(answer.Context); err != nil || len(text) > 4096 {
				t.Errorf("a context of %d bytes, %v", len(text), err)
			}
		}
	})
}
