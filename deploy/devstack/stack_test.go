package devstack_test

import (
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

func TestDataSurvivesARestart(t *testing.T) {
	t.Parallel()
	for name, inProcess := range map[string]bool{"kafka as a child": false, "kafka in process": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := devstack.Options{Data: stacktest.Dir(t), InProcess: inProcess}
			first := stacktest.Stack(t, options)
			require.NoError(t, write(t.Context(), first))
			stop(t, first)
			require.NoError(t, read(t.Context(), stacktest.Stack(t, options)))
		})
	}
}

func TestTwoStacksRunSideBySide(t *testing.T) {
	t.Parallel()
	first, second := stacktest.Stack(t, devstack.Options{}), stacktest.Stack(t, devstack.Options{})
	require.NotEqual(t, first.Endpoints(), second.Endpoints())
	for _, stack := range []*devstack.Stack{first, second} {
		require.NoError(t, write(t.Context(), stack))
		require.NoError(t, read(t.Context(), stack))
	}
}

func TestASecondStackOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	dir := stacktest.Dir(t)
	stacktest.Stack(t, devstack.Options{Data: dir, Only: []string{devstack.ServerKafka}, InProcess: true})
	_, err := devstack.Start(t.Context(), devstack.Options{Data: dir, Ports: devstack.PortsAuto})
	require.ErrorContains(t, err, "another stack runs on the data in "+dir)
	_, err = devstack.OpenKafka(t.Context(), devstack.KafkaConfig{Dir: filepath.Join(dir, "kafka")}, nil)
	require.ErrorContains(t, err, "is in use")
}

func TestATakenPortIsNamed(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	port := listener.Addr().(*net.TCPAddr).Port
	_, err = devstack.StartPostgres(t.Context(), devstack.PostgresOptions{Home: stacktest.Dir(t), Port: port, Small: true})
	require.ErrorContains(t, err, listener.Addr().String())
	require.ErrorContains(t, err, "--ports auto")
	_, err = devstack.StartKafka(t.Context(), devstack.KafkaConfig{Dir: t.TempDir(), Port: port})
	require.ErrorContains(t, err, "--ports auto")
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]devstack.Options{
		"needs a data folder":   {},
		`no server "mysql"`:     {Data: t.TempDir(), Only: []string{"mysql"}},
		`not "any"`:             {Data: t.TempDir(), Ports: "any"},
		"making the stack's da": {Data: "/dev/null/data"},
	} {
		_, err := devstack.Start(t.Context(), options)
		require.ErrorContains(t, err, name)
	}
}

func TestEndpointsAreReadByAShell(t *testing.T) {
	t.Parallel()
	dir := stacktest.Dir(t)
	stack := stacktest.Stack(t, devstack.Options{Data: dir})
	awkward := "it's $HOME `id` \\ \"x\"\n#"
	path, err := stack.WriteEndpoints(map[string]string{"TRIBUTARY_API_KEY": awkward})
	require.NoError(t, err)
	shell := osexec.CommandContext(t.Context(), "/bin/sh", "-c",
		`set -a; . "$0"; exec /bin/sh -c 'printf "%s|%s|%s" "$TRIBUTARY_KAFKA_BROKERS" "$TRIBUTARY_POSTGRES_URL" "$TRIBUTARY_API_KEY"'`, path)
	out, err := shell.Output()
	require.NoError(t, err)
	endpoints := stack.Endpoints()
	require.Equal(t, strings.Join(endpoints.KafkaBrokers, ",")+"|"+endpoints.PostgresURL+"|"+awkward, string(out))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "others could read the password")
	stop(t, stack)
	require.NoFileExists(t, path)
}

func TestWaitTellsWhichServerDied(t *testing.T) {
	t.Parallel()
	stack := stacktest.Stack(t, devstack.Options{})
	require.NoError(t, stack.Postgres().Kill())
	err := stack.Wait(t.Context())
	require.ErrorContains(t, err, "Postgres ended by itself (signal: killed)")
	require.ErrorContains(t, err, "ready to accept connections", "the end of its log")
}

func TestWaitEndsWithStop(t *testing.T) {
	t.Parallel()
	stack := stacktest.Stack(t, devstack.Options{Only: []string{devstack.ServerKafka}})
	waited := make(chan error, 1)
	go func() { waited <- stack.Wait(t.Context()) }()
	stop(t, stack)
	require.NoError(t, <-waited)
}

func BenchmarkSecondStart(b *testing.B) {
	dir := stacktest.Dir(b)
	for b.Loop() {
		stack, err := devstack.Start(b.Context(), devstack.Options{Data: dir, Ports: devstack.PortsAuto})
		require.NoError(b, err)
		b.StopTimer()
		require.NoError(b, stack.Stop(b.Context()))
		b.StartTimer()
	}
}
