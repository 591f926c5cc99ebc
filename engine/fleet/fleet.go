// Package fleet is many nodes of one mind: revisions of one document in a store, and how each comes to the nodes, one after
// another.
package fleet
