package cel_test

import (
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// row 70: what the token doesn't have isn't the empty text that an unset field is.
func TestCallerWithoutASubject(t *testing.T) {
	none := authztest.User("", authztest.Claims{"sub": nil, "client_id": nil, "acr": nil, "iss": nil})
	for text, problem := range map[string]string{
		"request.text == caller.subject":          "the caller has no subject",
		"caller.subject == request.text":          "the caller has no subject",
		"caller.subject == ''":                    "the caller has no subject",
		"caller.subject != 'root'":                "the caller has no subject",
		"caller.subject < 'root'":                 "the caller has no subject",
		"!(caller.subject in ['root'])":           "the caller has no subject",
		"request.item.id == caller.client_id":     "the caller has no client id",
		"caller.client_id != 'batch'":             "the caller has no client id",
		"caller.acr != 'urn:weak'":                "the caller has no acr",
		"!(caller.acr == 'urn:weak')":             "the caller has no acr",
		"caller.issuer != 'guests'":               "the caller has no issuer",
		"request.texts.all(x, x != caller.acr)":   "",
		"request.text.startsWith(caller.subject)": "the caller has no subject",
	} {
		t.Run(text, func(t *testing.T) {
			message := &docsv1.Kinds{}
			holds, err := compile(t, text).Evaluate(&authz.ExpressionInput{Message: message, Principal: none})
			if problem == "" {
				if err != nil || !holds {
					t.Errorf("%v, %v; nothing was read", holds, err)
				}

				return
			}
			if holds {
				t.Error("it holds")
			}
			wantProblem(t, err, problem)
		})
	}
}
