package lumoauth_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lumoauth"
)

// fixed answers every request with one body, without a network.
type fixed []byte

func (f fixed) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(f)), Request: r, ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// FuzzNativeAnswers requires that an answer grants only if another reader of JSON finds
// the subject and the grant in it, too.
func FuzzNativeAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"user_id": "ann", "results": {"documents.edit": true}}`,
		`{"user_id": "ann", "results": {"documents.edit": false}}`,
		`{"subject": {"type": "user", "id": "ann"}, "results": {"documents.edit": true}}`,
		`{"subject": "user:ann", "results": [{"allowed": true, "reason": "x", "matchedPolicies": []}]}`,
		`{"results": [{"allowed": true, "user_id": "ann"}]}`,
		`{"user_id": "bob", "results": [{"allowed": true}]}`,
		`{"user_id": "ann", "results": {"documents.edit": true, "documents.edit": false}}`,
		`{"user_id": "ann", "error": {"status": 403}, "results": [{"allowed": true}]}`, `[]`, `{}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := lumoauth.New(lumoauth.Config{
			Organization: "acme", TokenSource: token("fake-token"), NativePermissions: true, NativeAttributes: true,
			HTTPClient: &http.Client{Transport: fixed(body)},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = e.Close() }()
		var read map[string]any
		_ = json.Unmarshal(body, &read)
		named := read["user_id"] == "ann" || read["subject"] == "user:ann"
		if subject, ok := read["subject"].(map[string]any); ok {
			named = named || subject["type"] == "user" && subject["id"] == "ann"
		}

		result, err := e.CheckPermissions(t.Context(), authz.Batch{Queries: []authz.Query{permission("documents.edit", "ann")}})
		if granted(result, err) {
			results, _ := read["results"].(map[string]any)
			if !named || len(results) != 1 || results["documents.edit"] != true {
				t.Errorf("permitted by %q", body)
			}
		}
		result, err = e.EvaluateAttributes(t.Context(), authz.Batch{Queries: []authz.Query{attributes("1", "ann")}})
		if granted(result, err) {
			results, _ := read["results"].([]any)
			if len(results) != 1 {
				t.Fatalf("allowed by %q", body)
			}
			item, _ := results[0].(map[string]any)
			subject, _ := item["subject"].(map[string]any)
			named = named || item["user_id"] == "ann" || item["subject"] == "user:ann" || subject["type"] == "user" && subject["id"] == "ann"
			if !named || item["allowed"] != true {
				t.Errorf("allowed by %q", body)
			}
		}
	})
}

func granted(result authz.Result, err error) bool {
	return err == nil && result.Answers[0].Err == nil && result.Answers[0].Effect == authz.EffectAllowed
}
