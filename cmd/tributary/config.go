package main

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

func newConfigCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "config",
		Short: "Print the settings in force, and where each comes from",
		Long: `Prints every setting with its value and its source: a flag, a variable of the environment, the file, or the default.
Secrets are masked, and so are passwords within URLs.

In tributary.yaml the part before the dot is a section:

  kafka:
    brokers: [kafka-1:9092, kafka-2:9092]
    tls: true
  postgres:
    url: postgres://tributary@db:5432/tributary`,
		Example: `  tributary config
  tributary config --json | jq -r 'select(.source != "default") | .key'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.printConfig() },
	}
	a.jsonFlag(command, "an object a line: key, value, source, variable, flag")
	return command
}

// configLine is a setting as --json prints it.
type configLine struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Source   string `json:"source"`
	Variable string `json:"variable"`
	Flag     string `json:"flag"`
}

func (a *app) printConfig() error {
	listed := newTable("SETTING", "VALUE", "SOURCE")
	for _, s := range allSettings() {
		value := a.settings.masked(s.key)
		line := configLine{s.key, value, a.settings.source(s.key), s.variable(), "--" + s.flag()}
		if a.asJSON {
			if err := a.printJSON(line); err != nil {
				return err
			}
			continue
		}
		if value == "" {
			value = "–"
		}
		listed.row(line.Key, value, line.Source)
	}
	if a.asJSON {
		return nil
	}
	return a.printTable(listed)
}

// masked is a setting's value without its secrets.
func (s settings) masked(key string) string {
	value := s.get(key)
	for _, known := range allSettings() {
		if known.key == key && known.secret && value != "" {
			return mask(value)
		}
	}
	return value
}

const masking = "****"

// mask hides the passwords of URLs or of a connection string, and the whole of anything else.
func mask(secret string) string {
	if first, others, several := strings.Cut(secret, ",postgres"); several {
		return mask(first) + "," + mask("postgres"+others)
	}
	if address, err := url.Parse(secret); err == nil && address.Scheme != "" && address.Host != "" {
		return maskURL(address)
	}
	words := regexp.MustCompile(`(?i)(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)`)
	if words.MatchString(secret) {
		return words.ReplaceAllString(secret, "${1}"+masking)
	}
	return masking
}

func maskURL(address *url.URL) string {
	if _, set := address.User.Password(); set {
		address.User = url.UserPassword(address.User.Username(), masking)
	}
	query := address.Query()
	for _, name := range []string{"password", "sslpassword"} {
		if query.Has(name) {
			query.Set(name, masking)
			address.RawQuery = query.Encode()
		}
	}
	text := address.String()
	unescaped := regexp.MustCompile(regexp.QuoteMeta(url.QueryEscape(masking)))
	return unescaped.ReplaceAllString(text, masking)
}
