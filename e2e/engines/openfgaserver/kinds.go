package openfgaserver

// KindsModel decides as authztest's PermissionSuite and AttributeSuite expect, through
// OpenFGA's AuthZEN endpoints. OpenFGA gives a property to conditions under its name,
// after subject_, resource_ or action_.
const KindsModel = `model
  schema 1.1

type user

type service

type platform
  relations
    define documents.edit: [user, service]
    define documents.delete: [user, service]

type document
  relations
    define documents.edit: [user, service]
    define view: [user, service, user with on_network, user with by_subject, user with by_action, user with described]

condition on_network(trusted: bool) {
  trusted
}

condition by_subject(subject_department: string) {
  subject_department == "engineering"
}

condition by_action(action_dry_run: bool) {
  action_dry_run
}

condition described(resource_text: string, resource_count: int, resource_ratio: double, resource_open: bool, resource_tags: list<string>, resource_at: timestamp, resource_large: int, resource_size: uint) {
  resource_text == "a,b" && resource_count == -7 && resource_ratio == 0.5 && resource_open && resource_tags == ["x", "y"] && resource_at == timestamp("2026-01-02T03:04:05Z") && resource_large == 1152921504606846976 && resource_size == 4611686018427387904u
}
`
