package main

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// fault does harm, and says what it did.
type fault func() string

// deck are all faults that this stack can have.
func (c *chaos) deck() []fault {
	deck := []fault{c.killCopy, c.killClickHouse, c.killPublisher}
	if len(c.brokers) > 0 {
		deck = append(deck, c.killBroker, c.pauseBroker, c.restartBroker, c.pauseCopy)
	}
	if len(c.brokers) > 2 {
		deck = append(deck, c.killBroker, c.killMostBrokers)
	}
	return deck
}

func (c *chaos) killCopy() string {
	victim := c.random.IntN(len(c.copies))
	c.copies[victim].signal(syscall.SIGKILL)
	c.copies[victim].wait()
	c.copies[victim] = c.start("project")
	return fmt.Sprintf("killed projectors %d", victim+1)
}

// pauseCopy stops projectors in their tracks, as a paused machine does, until others have their partitions, and then lets them go
// on with what they held in their hands.
func (c *chaos) pauseCopy() string {
	victim := c.random.IntN(len(c.copies))
	_, before := c.offsets()
	c.copies[victim].signal(syscall.SIGSTOP)
	taken := c.within(takeOver, func() bool {
		_, epochs := c.offsets()
		return epochs > before
	})
	c.progress()
	c.copies[victim].signal(syscall.SIGCONT)
	if !taken {
		return fmt.Sprintf("paused projectors %d, which held nothing", victim+1)
	}
	return fmt.Sprintf("paused projectors %d", victim+1)
}

// takeOver is ten times as long as it takes others to have a silent copy's partitions. One that was paused a moment ago may hold none.
const takeOver = 20 * time.Second

// within tells whether something came true in time.
func (c *chaos) within(patience time.Duration, holds func() bool) bool {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}

// pauseUntilFenced pauses copies until one held something in its hands, which must be refused.
func (c *chaos) pauseUntilFenced() {
	c.Helper()
	const most = 10
	for try := range most {
		c.progress()
		c.pauseCopy()
		c.progress()
		fenced := 0
		for _, p := range c.copies {
			fenced += p.fenced()
		}
		if fenced > 0 {
			c.Logf("fenced after %d pauses", try+1)
			return
		}
	}
	c.Fatalf("in %d pauses no copy was ever fenced", most)
}

func (c *chaos) killClickHouse() string {
	require.NoError(c, c.clickhouse.Kill())
	require.NoError(c, c.clickhouse.Restart(c.Context()))
	return "killed ClickHouse"
}

// killPublisher kills a `tributary publish` at any moment: what it said was acknowledged is in the log, and publishing the whole
// file again doubles nothing.
func (c *chaos) killPublisher() string {
	file := c.file()
	p := c.startPublishing(file)
	c.progress()
	p.signal(syscall.SIGKILL)
	p.wait()
	if strings.Contains(p.said(), fmt.Sprintf("published %s events", count(len(file.events)))) {
		c.journal.acknowledge(file.events...)
		return "killed a publisher that was done"
	}
	p = c.startPublishing(file)
	c.mustPublish(p, file)
	return "killed a publisher"
}

// whilePublishing does harm while a `tributary publish` runs, which must come to its end all the same. Only where the cluster as a
// whole was away may it have said so, before it published anything; then it is run again.
func (c *chaos) whilePublishing(away bool, harm func()) {
	file := c.file()
	p := c.startPublishing(file)
	harm()
	if away && p.wait().ExitCode() == exitUnreachable {
		require.NotContains(c, p.said(), "acknowledged")
		p = c.startPublishing(file)
	}
	c.mustPublish(p, file)
}

func (c *chaos) killBroker() string {
	victim := c.random.IntN(len(c.brokers))
	c.whilePublishing(len(c.brokers) == 1, func() {
		require.NoError(c, c.brokers[victim].Kill())
		if len(c.brokers) > 1 && c.random.IntN(2) == 0 {
			c.progress() // the others do the work meanwhile
		}
		require.NoError(c, c.brokers[victim].Restart(c.Context()))
	})
	return fmt.Sprintf("killed broker %d", victim+1)
}

// pauseBroker stops a broker in its tracks: connections stay open and nobody answers, until many events wait, or for so long
// that the others have taken over.
func (c *chaos) pauseBroker() string {
	const longest = 10 * time.Second
	victim, waiting := c.random.IntN(len(c.brokers)), int64(c.random.IntN(5_000))
	began := time.Now()
	c.whilePublishing(len(c.brokers) == 1, func() {
		require.NoError(c, c.brokers[victim].Pause())
		require.Eventually(c, func() bool {
			return c.publishers.waiting() >= waiting || time.Since(began) > longest
		}, patience, time.Millisecond, "events wait for the paused broker")
		require.NoError(c, c.brokers[victim].Resume())
	})
	return fmt.Sprintf("paused broker %d until %d events waited", victim+1, waiting)
}

func (c *chaos) restartBroker() string {
	victim := c.random.IntN(len(c.brokers))
	require.NoError(c, c.brokers[victim].Restart(c.Context()))
	return fmt.Sprintf("restarted broker %d", victim+1)
}

// killMostBrokers leaves one broker, which can acknowledge nothing alone.
func (c *chaos) killMostBrokers() string {
	left := c.random.IntN(len(c.brokers))
	c.whilePublishing(true, func() {
		c.eachBut(left, (*devstack.Broker).Kill)
		c.eachBut(left, func(b *devstack.Broker) error { return b.Restart(c.Context()) })
	})
	return fmt.Sprintf("killed all brokers but %d", left+1)
}

func (c *chaos) eachBut(left int, do func(*devstack.Broker) error) {
	errs := make([]error, len(c.brokers))
	var all sync.WaitGroup
	for i, broker := range c.brokers {
		if i != left {
			all.Go(func() { errs[i] = do(broker) })
		}
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(c, err)
	}
}
