package main

import "github.com/usher-auth/usher/authz/spicedb"

// schema is the quickstart's model. SpiceDB tells relations, which are written, from
// permissions, which are checked. So the viewer of the rules is a permission here, and
// relationships are written to direct_viewer.
const schema = `
definition user {}
definition service {}

definition team {
	relation member: user | service | team#member
}

definition folder {
	relation parent: folder
	relation direct_owner: user | service | team#member
	relation direct_editor: user | service | team#member
	relation direct_viewer: user | service | team#member
	permission owner = direct_owner + parent->owner
	permission editor = direct_editor + owner + parent->editor
	permission viewer = direct_viewer + editor + parent->viewer
}

definition document {
	relation parent: folder
	relation direct_owner: user | service | team#member
	relation direct_editor: user | service | team#member
	relation direct_viewer: user | service | team#member
	permission owner = direct_owner + parent->owner
	permission editor = direct_editor + owner + parent->editor
	permission viewer = direct_viewer + editor + parent->viewer
}
`

// newEngine returns an engine that asks SpiceDB. The client of a server in another
// process is
//
//	conn, err := grpc.NewClient("spicedb.internal:50051",
//		grpc.WithTransportCredentials(credentials.NewTLS(nil)),
//		grpc.WithPerRPCCredentials(spicedb.PresharedKey(key)),
//		grpc.WithDefaultServiceConfig(spicedb.ServiceConfig))
//	client := v1.NewPermissionsServiceClient(conn)
func newEngine(client spicedb.Client) (*spicedb.Engine, error) {
	return spicedb.New(spicedb.Config{Client: client})
}
