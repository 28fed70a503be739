// Package deploy is what runs Tributary in containers and watches it: the image, docker-compose.yml (at the top), the servers' own
// settings, Prometheus and Grafana. There is no Go in it but the tests, which hold all of it to the program and to real servers.
//
//	Dockerfile        the image of the program, from scratch
//	postgres          the books' owner
//	clickhouse        users, profiles and the server's own tables
//	prometheus        who is asked, alert rules, and the rules' tests; docs/runbooks.md has a section an alert
//	grafana           data sources and dashboards, for operators and for analysts
//	devstack          the same servers without Docker
package deploy
