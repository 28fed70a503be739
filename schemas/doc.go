// Package schemas holds all that crosses a boundary: the protobuf of every event, generated into eventsv1.
package schemas
