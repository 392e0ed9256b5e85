// Package verify turns a bearer token into the [Principal] it stands for.
//
//	verifier, err := verify.NewJWT(verify.JWTConfig{
//		Issuer:    "https://auth.example.com",
//		Audiences: []string{"https://docs.internal"},
//	})
//	if err != nil {
//		return err
//	}
//	defer verifier.Close()
//
//	principal, err := verifier.Verify(ctx, token, verify.Requirements{})
//
// Nothing passes that should not: one strict decoder reads a token (repeated
// members, other spellings of registered names, wrong types and non-canonical
// encodings are refused), and every later step reads only its result. Issuer,
// audience and algorithms are always checked; there is no way to leave one out.
//
// Issuers write access tokens in different forms: a [Profile] says how one does,
// RFC 9068 being the default, and functions such as [Keycloak] return the known
// ones. It also says what proves that a token is a service's or a user's; without
// a proof the kind is unclear. A profile never weakens the checks of signature,
// issuer, audience and times.
//
// An outage never looks like a bad token: an [Error] says whose fault it is, the
// credential's, a dependency's or the configuration's. There is no setting that
// lets a call through when the verifier can't decide.
//
// Key sets are fetched in the background, in goroutines that Close ends. No call
// waits for a fetch while usable keys are there, but the first one under a key
// that isn't known yet.
package verify
