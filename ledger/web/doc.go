// Package web is the HTTP server kit: what every process that is spoken to over HTTP has in common.
//
//	/livez    the process runs: 200 as long as it can answer
//	/readyz   it does its work: 200, or 503 with the reasons, as text or, when asked for, as JSON
//	/metrics  Prometheus
//
// A server has timeouts for every step of a request, and stops in order: what is under way is answered first.
package web
