package sandbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tributary-ledger/tributary/ledger/providers"
)

// act is a line of the journal: what was done under a key, in full, so that the last line of a key is its state.
type act struct {
	providers.Operation

	// Calls is how often the key was called so far.
	Calls int `json:"calls"`
	// Settles is what a pending operation becomes.
	Settles providers.State `json:"settles,omitempty"`
	// Tells is how many webhooks are still to be sent.
	Tells    int                 `json:"tells,omitempty"`
	Prepared *providers.Prepared `json:"prepared,omitempty"`
	Request  request             `json:"request"`
	Outcome  providers.Outcome   `json:"outcome"`
}

// journal is the book on disk. It is not safe for use at once.
type journal struct {
	file *os.File
	size int64 // of whole lines
	acts map[string]*act
	keys []string // in the order of their first act
}

// openJournal reads what is there. A line that a crash cut short was never answered for, and goes.
func openJournal(path string) (*journal, error) {
	const ownerOnly = 0o600
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, ownerOnly)
	if err != nil {
		return nil, fmt.Errorf("open the sandbox's journal: %w", err)
	}
	j := &journal{file: file, acts: map[string]*act{}}
	if err = j.read(); err == nil {
		err = file.Truncate(j.size)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the sandbox's journal %s: %w", path, err), file.Close())
	}
	return j, nil
}

func (j *journal) read() error {
	reader := bufio.NewReader(j.file)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err //nolint:wrapcheck // openJournal names the file
		}
		one := &act{}
		if err := json.Unmarshal(bytes.TrimSpace(line), one); err != nil {
			return fmt.Errorf("byte %d is no act: %w", j.size, err)
		}
		j.put(one)
		j.size += int64(len(line))
	}
}

func (j *journal) put(one *act) {
	key := one.Key()
	if j.acts[key] == nil {
		j.keys = append(j.keys, key)
	}
	j.acts[key] = one
}

// write returns when the act is on disk. What is not is in the books neither.
func (j *journal) write(one *act) error {
	line, err := json.Marshal(one)
	if err != nil {
		return fmt.Errorf("write the sandbox's journal: %w", err)
	}
	line = append(line, '\n')
	if _, err = j.file.WriteAt(line, j.size); err == nil { // over what a failure before left
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write the sandbox's journal: %w", err)
	}
	j.size += int64(len(line))
	j.put(one)
	return nil
}

func (j *journal) close() error {
	return j.file.Close() //nolint:wrapcheck // the server says what it closes
}
