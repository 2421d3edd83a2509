package auditlog

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/shipmate/shipmate/pipeline"
)

// Verifier checks a log from its first entry on, one line after the other.
type Verifier struct {
	Key  []byte
	Last pipeline.AuditEntry // the last good one; Seq 0: none yet
}

// Line checks the next line. The error names the entry that is wrong.
func (v *Verifier) Line(line []byte) error {
	want := v.Last.Seq + 1
	var e pipeline.AuditEntry
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return fmt.Errorf("entry %d cannot be read: %w", want, err)
	}
	switch {
	case e.Seq != want:
		return fmt.Errorf("entry %d is missing: entry %d follows entry %d", want, e.Seq, v.Last.Seq)
	case e.Prev != v.Last.Hash:
		return fmt.Errorf("entry %d does not follow entry %d: one of them was changed or put in its place", e.Seq, v.Last.Seq)
	case e.Hash != Sum(e, v.Key):
		return fmt.Errorf("entry %d was changed: its hash is not that of its text (or the key is another one)", e.Seq)
	}
	v.Last = e
	return nil
}

// Ends checks that the log goes on at least to an entry that was seen before,
// as in the bot's own output: a log that is cut off at its end is still a chain.
func (v *Verifier) Ends(seq int64) error {
	if v.Last.Seq < seq {
		return fmt.Errorf("the log ends with entry %d, and entry %d has been seen: its end was cut off", v.Last.Seq, seq)
	}
	return nil
}
