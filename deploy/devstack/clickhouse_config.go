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

func serverXML(options ClickHouseOptions) string {
	settings := map[string]string{
		"path": filepath.Join(options.Home, "data"), "users_config": filepath.Join(options.Home, clickHouseUsersFile),
		"listen_host": "127.0.0.1", "http_port": strconv.Itoa(options.Port), "keep_alive_timeout": "30",
	}
	if options.Small {
		maps.Copy(settings, map[string]string{
			"max_server_memory_usage": "2000000000", "mark_cache_size": "33554432", "uncompressed_cache_size": "0",
		})
	} else {
		settings["max_server_memory_usage_to_ram_ratio"] = "0.5"
	}
	return "<clickhouse>\n" + elements(settings) + "</clickhouse>\n"
}

// usersXML gives all rights to one user, who has a password. The engine itself works as the user default, who must have none, and may do
// nothing but listen.
func usersXML(options ClickHouseOptions, password string) string {
	profile := map[string]string{
		"async_insert": "0", // an insert is answered when its rows are in the table
		// A server of ClickHouse Inc. starts without these two, clickhouse-local with them.
		"implicit_select": "0", "storage_file_read_method": "pread",
		"max_concurrent_queries_for_all_users": "200",
	}
	maps.Copy(profile, options.Settings)
	sum := sha256.Sum256([]byte(password))
	return "<clickhouse>\n<profiles>\n<default>\n" + elements(profile) + "</default>\n</profiles>\n" +
		"<quotas><default/></quotas>\n<users>\n" +
		"<" + clickHouseUser + "><password_sha256_hex>" + hex.EncodeToString(sum[:]) + "</password_sha256_hex>" +
		"<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>" +
		"<access_management>1</access_management><named_collection_control>1</named_collection_control></" + clickHouseUser + ">\n" +
		"<default><password/><networks><ip>::1</ip></networks><profile>default</profile><quota>default</quota>" +
		"<grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants></default>\n</users>\n</clickhouse>\n"
}

// elements writes each setting as <name>value</name>, in the order of the names.
func elements(settings map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		var value strings.Builder
		_ = xml.EscapeText(&value, []byte(settings[name])) // a builder does not fail
		fmt.Fprintf(&text, "<%s>%s</%s>\n", name, value.String(), name)
	}
	return text.String()
}
