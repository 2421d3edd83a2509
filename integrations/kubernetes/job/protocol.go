package job

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/shipmate/shipmate/pipeline/script"
)

// What the bot and the shim in the pod say to each other, over HTTP:
//
//	GET  /ready      the shim is there
//	PUT  /order      all a script needs, as a compressed tar archive; taken once
//	POST /go         the script begins; said again it changes nothing
//	GET  /output     what it printed, from a byte on, until all is said
//	GET  /result     how it ended and what it told
//	GET  /artifacts  the files it hands on
//
// Each request carries the pod's token; the Job's spec holds its SHA-256 only.

const shimPort = 7407 // on the pod's loopback

// order is the first entry of the archive. The source follows below src/, and
// what steps before handed on as artifacts/<n>.tar.gz.
type order struct {
	Argv         []string      `json:"argv"`
	Env          []byte        `json:"env"`     // as script.Environ.Encode makes it
	Secrets      []string      `json:"secrets"` // their values, to hide them in what the pod's own log shows
	Script       string        `json:"script"`
	Timeout      time.Duration `json:"timeout"` // from the go on
	Grace        time.Duration `json:"grace"`
	MaxLog       int64         `json:"max_log"`
	Artifacts    []string      `json:"artifacts"` // patterns
	MaxArtifacts int64         `json:"max_artifacts"`
	Cluster      bool          `json:"cluster"` // the script may speak to Kubernetes: it has a service account
}

const (
	orderEntry    = "order.json"
	sourcePrefix  = "src/"
	handedPrefix  = "artifacts/"
	maxOrderEntry = 32 << 20
)

// ended is how a script ended and what it told.
type ended struct {
	Exit script.Exit `json:"exit"`
	Told script.Told `json:"told"`
}

// farewell is the pod's termination message: what is known of a script when
// nobody asked its shim for long. Kubernetes keeps 4096 bytes.
type farewell struct {
	Shipmate int          `json:"shipmate"` // 1: the format
	Began    bool         `json:"began"`
	Exit     *script.Exit `json:"exit,omitempty"`
	Outputs  []byte       `json:"outputs,omitempty"`
	Left     bool         `json:"left,omitempty"` // there was more than fits here: outputs or artifacts
}

const maxFarewell = 4096

// stopTerminated: Kubernetes ended the pod.
const stopTerminated = "terminated"

// Output travels in frames: a length, four bytes, big endian, then so many
// bytes. An empty frame says that the connection is alive; the last has the
// length endOfOutput and no bytes.
const (
	endOfOutput = 1<<32 - 1
	maxFrame    = 16 << 10
	heartbeat   = 10 * time.Second
	silence     = 40 * time.Second // after which a connection counts as dead
)

func writeFrame(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...)) //nolint:gosec // at most maxFrame
	return err
}

func writeEnd(w io.Writer) error {
	_, err := w.Write(binary.BigEndian.AppendUint32(nil, endOfOutput))
	return err
}

// readFrame reads into buf, which has room for maxFrame. io.EOF is the end of
// all output, which an end of the connection is not.
func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("output: %w", noEOF(err))
	}
	switch n := binary.BigEndian.Uint32(head[:]); {
	case n == endOfOutput:
		return nil, io.EOF
	case n > maxFrame:
		return nil, fmt.Errorf("output: a frame of %d bytes", n)
	default:
		_, err := io.ReadFull(r, buf[:n])
		return buf[:n], noEOF(err)
	}
}

func noEOF(err error) error {
	if err == io.EOF { //nolint:errorlint // as io returns it
		return io.ErrUnexpectedEOF
	}
	return err
}
