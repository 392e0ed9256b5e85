// Package browser shows the page of who may call what (authz/lint's Matrix.HTML) in a
// real browser without a window: the chromium in PATH, such as the one of the
// distribution's package chromium. It has tests only: `make e2e` runs them. With
// SCREENSHOTS=folder they leave pictures there, for people to look at.
package browser
