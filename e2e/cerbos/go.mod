module github.com/usher-auth/usher/e2e/cerbos

go 1.26.6

replace github.com/usher-auth/usher => ../..

require (
	github.com/usher-auth/usher v0.0.0
	go.uber.org/goleak v1.3.1-0.20260602155401-5f791e3ef83b
)

require (
	golang.org/x/oauth2 v0.36.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/time v0.15.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260706201446-f0a921348800 // indirect
	google.golang.org/grpc v1.84.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
