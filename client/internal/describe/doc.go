// Command describe prints the HTTP API's description, as OpenAPI 3.0, from which package client is generated. A gateway serves the same
// at /openapi-3.0.json.
package main
