package devstack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// writeClickHouseFiles writes the server's configuration anew before each start, so that it never goes stale.
func writeClickHouseFiles(options ClickHouseOptions, password string) error {
	for name, content := range map[string]string{
		clickHouseConfigFile: serverXML(options),
		clickHouseUsersFile:  usersXML(options, password),
		clickHouseListenFile: "SYSTEM START LISTEN HTTP;\n",
	} {
		if err := writeAtomic(filepath.Join(options.Home, name), []byte(content)); err != nil {
			return err
		}
	}
	return nil
}

// systemLogs are those that a server has by default and that help with a store: each keeps three days, and starts anew with each start.
const systemLogs = `<query_log><database>system</database><table>query_log</table>` + systemLogLife + `</query_log>
<part_log><database>system</database><table>part_log</table>` + systemLogLife + `</part_log>
`

// keptFree is room that no insert and no merge begins to use, so that those under way end well when the disk fills up. The engine does not
// report a write that the disk had no room for: what it then acknowledges is an empty file.
const keptFree = `<storage_configuration><disks><default>
<keep_free_space_bytes>67108864</keep_free_space_bytes>
</default></disks></storage_configuration>
`

const systemLogLife = `<ttl>event_date + INTERVAL 3 DAY DELETE</ttl><flush_interval_milliseconds>7500</flush_interval_milliseconds>`

func serverXML(options ClickHouseOptions) string {
	settings := map[string]string{
		"path": filepath.Join(options.Home, clickHouseDataDir), "users_config": filepath.Join(options.Home, clickHouseUsersFile),
		"listen_host": "127.0.0.1", "http_port": strconv.Itoa(options.Port), "keep_alive_timeout": "30",
		"log-level": "error",
	}
	if options.Small {
		maps.Copy(settings, map[string]string{
			"max_server_memory_usage": "2000000000", "mark_cache_size": "33554432", "uncompressed_cache_size": "0",
		})
	} else {
		settings["max_server_memory_usage_to_ram_ratio"] = "0.5"
	}
	return "<clickhouse>\n" + elements(settings) + "<logger><console>true</console></logger>\n" + systemLogs + keptFree + "</clickhouse>\n"
}

// usersXML gives all rights to one user, who has a password. The engine itself works as the user default, who must have none, and may do
// nothing but start and stop listening.
func usersXML(options ClickHouseOptions, password string) string {
	profile := map[string]string{
		"async_insert": "0", // an insert is answered when its rows are in the table
		// clickhouse-local starts with other values than a server.
		"implicit_select": "0", "allow_introspection_functions": "0", "storage_file_read_method": "pread",
		// A KILL QUERY … SYNC waits for an insert that waits for its client, say one that was paused: not for a server's 30 s.
		"http_receive_timeout": "10",
		// A server's max_concurrent_queries has no effect in clickhouse-local.
		"max_concurrent_queries_for_all_users": "300",
	}
	maps.Copy(profile, options.Settings)
	sum := sha256.Sum256([]byte(password))
	return `<clickhouse>
<profiles><default>
` + elements(profile) + `<constraints><async_insert><readonly/></async_insert></constraints>
</default></profiles>
<quotas><default/></quotas>
<users>
<` + clickHouseUser + `><password_sha256_hex>` + hex.EncodeToString(sum[:]) + `</password_sha256_hex><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota><access_management>1</access_management></` + clickHouseUser + `>
<default><password/><networks><ip>::1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants></default>
</users>
</clickhouse>
`
}

// elements writes each setting as <name>value</name>, in the order of the names.
func elements(settings map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "<%s>", name)
		_ = xml.EscapeText(&text, []byte(settings[name])) // a builder does not fail
		fmt.Fprintf(&text, "</%s>\n", name)
	}
	return text.String()
}
