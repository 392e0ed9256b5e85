// Package verify verifies bearer tokens and returns the [Principal] of each.
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
// A token is decoded once, by a strict decoder: repeated members, other
// spellings of registered names, wrong types and non-canonical encodings are
// refused, and every later step reads only the decoder's result. Issuer,
// audience and algorithms are always checked; there is no way to disable these
// checks.
//
// Issuers write access tokens in different forms. A [Profile] describes the
// form of one issuer; the default is RFC 9068, and functions such as [Keycloak]
// return the profiles of known issuers. A profile also defines what proves that
// a token is a service's or a user's; without a proof the kind is unclear. A
// profile never weakens the checks of signature, issuer, audience and times.
//
// An outage is never reported as a bad token: an [Error] distinguishes faults
// of the credential, of a dependency and of the configuration. There is no
// setting that lets a call through when the verifier can't decide.
//
// Key sets are fetched in background goroutines that Close ends. While there
// are usable keys, a call waits for a fetch only if its token is the first
// under an unknown key.
package verify
