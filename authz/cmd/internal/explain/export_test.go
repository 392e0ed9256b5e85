package explain

// StatusOf is statusOf, for tests.
var StatusOf = statusOf
