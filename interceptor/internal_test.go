package interceptor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
)

// A call whose context comes from another call's, in one process, has its own
// compressor, or none.
func TestContextHidesTheCompressorOfAnotherCall(t *testing.T) {
	around := &holdingContext{}
	around.Context = context.Background()
	for name, ctx := range map[string]context.Context{
		"unary": &callContext{Context: around}, "public": publicContext{around}, "engine": engineContext{around},
	} {
		if _, ok := ctx.Value(compressorKey{}).(compressorHolder); ok {
			t.Errorf("%s: a choice is held by another call", name)
		}
	}
	if _, ok := around.Value(compressorKey{}).(compressorHolder); !ok {
		t.Error("a held call doesn't hold the choice")
	}
}

// Keys that a transport didn't write in lower case are still one credential.
func TestAuthorizationInAnyCase(t *testing.T) {
	ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{"Authorization": {"Bearer x"}})
	if got := authorizationOf(ctx); len(got) != 1 || got[0] != "Bearer x" {
		t.Errorf("got %q", got)
	}
}

func FuzzParseBearer(f *testing.F) {
	for _, seed := range []string{"Bearer abc", "bearer a.b.c==", "Bearer  x", "Bearer =", "Basic x", "Bearer a b", "BEARER \x00", "Bearer é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, err := parseBearer(value, DefaultMaxTokenBytes, false)
		if err != nil {
			return
		}
		if token == "" || value[7:] != token || len(token) > DefaultMaxTokenBytes || strings.ContainsAny(token, " ,\t\r\n") || !strings.EqualFold(value[:7], "Bearer ") {
			t.Errorf("%q gives the token %q", value, token)
		}
	})
}

func FuzzWithoutChallenge(f *testing.F) {
	f.Add("www-authenticate", `Bearer error="invalid_token"`, "other")
	f.Add("WWW-Authenticate", `bearer ERROR=Invalid_Token`, `Basic`)
	f.Add("Www-authenticate", `Basic realm="x", Bearer error="invalid\_token"`, `Negotiate YWJj==`)
	f.Add("www-authent\u0130cate", `Bearer error="invalid_token"`, "other") // gRPC makes an i of it
	f.Fuzz(func(t *testing.T, key, first, second string) {
		before := metadata.MD{key: {first, second}, "www-authenticate": {second, first}, "other": {first}}
		original := before.Copy()
		md := withoutChallenge(before)
		for name, values := range md {
			for _, value := range values {
				if strings.ToLower(name) == challengeKey && strings.Contains(strings.ToLower(value), "bearer") {
					t.Errorf("%s: %q is left", name, value)
				}
			}
		}
		if !maps.EqualFunc(before, original, slices.Equal) {
			t.Errorf("the handler's own metadata was changed to %v", before)
		}
		for name, values := range original {
			for _, value := range values {
				if strings.ToLower(name) == challengeKey && strings.Contains(strings.ToLower(value), "bearer") {
					continue
				}
				if !slices.Contains(md[name], value) {
					t.Errorf("%s: %q is lost", name, value)
				}
			}
		}
	})
}

// A token above the limit names the sizes and the settings, and costs next to
// nothing before somebody reads it.
func TestTokenTooLongSaysTheLimits(t *testing.T) {
	value := "Bearer " + strings.Repeat("a", 27<<10)
	_, err := parseBearer(value, DefaultMaxTokenBytes, true)
	if !errors.Is(err, errTokenTooLong) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"27648 bytes", "16384", "interceptor.Config.MaxTokenBytes", "JWTConfig.MaxTokenBytes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q doesn't say %q", err, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = parseBearer(value, DefaultMaxTokenBytes, true) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
