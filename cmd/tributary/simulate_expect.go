package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// expectFile is where a simulation's totals go, if anywhere.
type expectFile struct {
	to   io.Writer
	file *os.File
}

// openExpect makes the file at once: nobody simulates for an hour to hear that its folder is not there.
func (a *app) openExpect(name string) (*expectFile, error) {
	switch name {
	case "":
		return &expectFile{}, nil
	case "-":
		return &expectFile{to: a.stdout}, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, usagef("--expect: %w", err)
	}
	return &expectFile{file, file}, nil
}

// close writes the totals, if all that they are of was sent; else no file is left.
func (f *expectFile) close(traffic *simulation.Traffic, complete bool) error {
	var err error
	if complete && f.to != nil {
		encoder := json.NewEncoder(f.to)
		encoder.SetIndent("", " ")
		if err = encoder.Encode(traffic.Expected()); err != nil {
			err = fmt.Errorf("write --expect: %w", err)
		}
	}
	if f.file == nil {
		return err
	}
	err = errors.Join(err, f.file.Close())
	if !complete {
		err = errors.Join(err, os.Remove(f.file.Name()))
	}
	return err
}

// readExpect reads what simulate --expect wrote.
func (a *app) readExpect(name string) (*simulation.Expected, error) {
	input := a.stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, usageError{plainPathError(err)}
		}
		defer file.Close() //nolint:errcheck // it was only read
		input = file
	}
	decoder := json.NewDecoder(input)
	decoder.DisallowUnknownFields()
	expected := &simulation.Expected{}
	if err := decoder.Decode(expected); err != nil {
		return nil, usagef("%s is not what \"tributary simulate --expect\" writes: %w", name, err)
	}
	if expected.Ledger == "" || expected.Events == 0 {
		return nil, usagef("%s is not what \"tributary simulate --expect\" writes: it names no ledger, or no events", name)
	}
	return expected, nil
}
