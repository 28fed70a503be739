// Package eventsv1 is the Go of tributary/events/v1: a message for the data of every event type.
//
//	tributary/events/v1/*.proto ──buf──▶ *.pb.go          messages, and the (rule) and (event_type) options by reflection
//	                                     *_vtproto.pb.go  MarshalVT, UnmarshalVT, SizeVT without reflection
//
// The rest of this folder is made by buf: change the .proto and run `make generate`.
// UnmarshalVTUnsafe keeps strings that point into the bytes given, so those bytes must stay as they are while the message lives.
package eventsv1
