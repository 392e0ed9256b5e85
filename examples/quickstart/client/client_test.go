package client_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
	grpccredentials "google.golang.org/grpc/credentials"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/examples/quickstart/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConfigThatLacksSomething(t *testing.T) {
	whole := client.Config{
		Issuer: "https://127.0.0.1:1", ID: "reader", Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
		Target: "127.0.0.1:1", Resource: "https://docs.internal", TLS: grpccredentials.NewTLS(nil),
	}
	c, err := client.New(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for want, lack := range map[string]func(*client.Config){
		"TokenURL":           func(c *client.Config) { c.Issuer = "" },
		"client id":          func(c *client.Config) { c.ID = "" },
		"Auth":               func(c *client.Config) { c.Auth = nil },
		"transport security": func(c *client.Config) { c.TLS = nil },
	} {
		cfg := whole
		lack(&cfg)
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", want, err)
		}
	}
}
