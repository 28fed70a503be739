package devstack

// PID is the number of the server's present process.
func (c *ClickHouse) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process.cmd.Process.Pid
}

// Exit is how the server's last process ended: nil for status 0. To be called after Done.
func (c *ClickHouse) Exit() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process.err
}
