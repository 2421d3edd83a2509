package redisstore

import "time"

// SetReadWait has a read that waits for jobs end after d, as one does after ten
// seconds otherwise.
func (s *Store) SetReadWait(d time.Duration) { s.readWait = d }
