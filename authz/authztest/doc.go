// Package authztest tests what is built on authz, without any server.
//
// For users of usher, [Engine] decides by a list of tuples in memory, [User] and
// [Service] return callers, and [Table] tests the rules of a whole service:
//
//	engine := authztest.NewEngine("document:1#viewer@user:alice")
//	authorizer, err := authz.New(authz.Config{
//		Engine: engine, Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{"test"},
//	})
//	…
//	authztest.Table{Authorizer: authorizer, Service: "docs.v1.DocumentService", Rows: []authztest.Row{
//		{Principal: authztest.User("alice"), Method: "GetDocument", Request: get("1"), Want: authztest.Allowed},
//		{Principal: authztest.User("bob"), Method: "GetDocument", Request: get("1"), Want: authztest.Refused(authz.ReasonRelationDenied)},
//	}}.Run(t)
//
// Rules with permissions are decided by [Engine.Grant], and those with attributes by a
// function, [Engine.SetPolicy].
//
// For authors of engine adapters, [Suite], [PermissionSuite] and [AttributeSuite] are
// the tests that every adapter must pass.
//
// Nothing here is for production: the engine walks every tuple at each query.
package authztest
