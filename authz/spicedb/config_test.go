package spicedb_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/usher-auth/usher/authz/spicedb"
)

func TestNewRefuses(t *testing.T) {
	client := dial(t, &front{})
	for name, build := range map[string]func() (*spicedb.Engine, error){
		"no client":            func() (*spicedb.Engine, error) { return spicedb.New(spicedb.Config{}) },
		"batch size negative":  func() (*spicedb.Engine, error) { return spicedb.New(spicedb.Config{Client: client, BatchSize: -1}) },
		"batch size too high":  func() (*spicedb.Engine, error) { return spicedb.New(spicedb.Config{Client: client, BatchSize: 10_001}) },
		"parallelism negative": func() (*spicedb.Engine, error) { return spicedb.New(spicedb.Config{Client: client, Parallelism: -1}) },
		"timeout negative":     func() (*spicedb.Engine, error) { return spicedb.New(spicedb.Config{Client: client, Timeout: -1}) },
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := build(); err == nil || e != nil {
				t.Errorf("New = %v, %v", e, err)
			}
		})
	}
}

func TestNewReportsAllFaultsAtOnce(t *testing.T) {
	_, err := spicedb.New(spicedb.Config{BatchSize: -1, Parallelism: 65, Timeout: -1})
	for _, want := range []string{
		"spicedb: Client is required",
		"spicedb: BatchSize -1",
		"spicedb: Parallelism 65",
		"spicedb: Timeout",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %q in %v", want, err)
		}
	}
}

func TestPresharedKeyNeedsTLSAndHides(t *testing.T) {
	key := spicedb.PresharedKey("fake-key")
	if text := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Contains(text, "fake-key") {
		t.Errorf("the key shows in %s", text)
	}
	if _, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(key)); err == nil {
		t.Error("dialed without TLS")
	}
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(spicedb.ServiceConfig))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
