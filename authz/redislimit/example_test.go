package redislimit_test

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/redislimit"
)

func Example() {
	client := redis.NewClient(&redis.Options{Addr: "redis.internal:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	limiter, err := redislimit.New(redislimit.Config{Client: client})
	if err != nil {
		fmt.Println(err)

		return
	}
	authorizer, err := authz.New(authz.Config{Limiter: limiter}) // and Engine, Subjects, Issuers
	fmt.Println(authorizer != nil, err)
	// Output: true <nil>
}
