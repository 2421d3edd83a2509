package shell

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// order is all a shim is told. It travels through a pipe, because it holds the
// script's secrets: argv and files can be read by others.
type order struct {
	Dir      folder        `json:"dir"`
	Argv     []string      `json:"argv"`
	Env      []byte        `json:"env"`      // name=value, a zero byte after each: values need not be UTF-8
	Patience time.Duration `json:"patience"` // how long to wait for the go
	Timeout  time.Duration `json:"timeout"`  // from now
	Grace    time.Duration `json:"grace"`    // between SIGTERM and SIGKILL
	MaxLog   int64         `json:"max_log"`

	// A command run when the script was stopped, to end what is not its child.
	After    []string `json:"after,omitempty"`
	AfterEnv []string `json:"after_env,omitempty"`
}

// ready is the shim's answer to an order: it waits for goByte.
type ready struct {
	PID     int    `json:"pid"`
	Started string `json:"started"`
	Error   string `json:"error,omitempty"`
}

const goByte = 'g'

// maxMessage bounds an order; the kernel takes 2 MiB of environment at most.
const maxMessage = 32 << 20

// writeMessage writes v as JSON behind its length, four bytes, big endian.
func writeMessage(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", len(body))
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func readMessage(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}
